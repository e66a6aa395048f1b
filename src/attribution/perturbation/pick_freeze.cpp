#include "attribution/perturbation/pick_freeze.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/designs.h"

namespace vitrail {

namespace {

/// The samples of one replicate in the order they are sent.
class Samples {
 public:
  Samples(const PickFreezeOptions& options, int64_t cells, int64_t replicate)
      : options_(options),
        cells_(cells),
        design_(draw_design(options.sampler, options.designs,
                            options.change == PickFreezeOptions::Change::from_b ? 2 * cells : cells, options.seed,
                            static_cast<uint64_t>(replicate))) {}

  int64_t a_point() const { return cells_ + 1 + (options_.scores_b ? 1 : 0); }
  int64_t count() const { return options_.designs * a_point(); }

  /// Levels of samples first .. first + count - 1, float64 [count,d], and the points they belong to.
  Tensor levels(int64_t first, int64_t count, std::vector<int64_t>& points) const {
    const Tensor levels = at::zeros({count, cells_}, at::kDouble);
    points.clear();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t n = (first + i) / a_point(), place = (first + i) % a_point();
      points.push_back(n);
      levels[i].copy_(design_[n].narrow(0, place > cells_ ? cells_ : 0, cells_));  // A, or B in the last place
      if (place >= 1 && place <= cells_) levels[i][place - 1] = changed(n, place - 1);
    }
    return levels;
  }

 private:
  double changed(int64_t n, int64_t cell) const {
    if (options_.change == PickFreezeOptions::Change::from_b) return design_[n][cells_ + cell].item<double>();
    const double level = design_[n][cell].item<double>() + 0.5;
    return level < 1 ? level : level - 1;
  }

  const PickFreezeOptions& options_;
  int64_t cells_;
  Tensor design_;  // float64 [N,2d]: A and B side by side; or [N,d]: A
};

/// The largest batch that divides the samples.
int64_t equal_chunk(int64_t samples, int64_t batch) {
  int64_t chunk = std::min(samples, batch);
  while (samples % chunk != 0) --chunk;
  return chunk;
}

/// Scores float64 [n,T] of the samples, in order; all of them unless the run stops.
Tensor score_samples(MethodRun& run, const Perturber& perturber, const Samples& samples, int64_t chunk,
                     int64_t first_point) {
  Tensors scores = {at::zeros({0, run.targets()}, at::kDouble)};
  std::vector<int64_t> points;
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(std::min(chunk, samples.count() - done))) {
    const Tensor levels = samples.levels(done, n, points);
    for (int64_t& point : points) point += first_point;
    scores.push_back(run.score(perturber.images(levels, points)));
    done += n;
  }
  return at::cat(scores);
}

/// The same, of each point A whole and every C as a change of it.
Tensor score_changes(MethodRun& run, const Perturber& perturber, const std::vector<ImagePatch>& rectangles,
                     const Samples& samples, int64_t first_point) {
  Tensors scores = {at::zeros({0, run.targets()}, at::kDouble)};
  std::vector<int64_t> points;
  for (int64_t done = 0; done < samples.count();) {
    const int64_t place = done % samples.a_point(), cells = perturber.cells();
    const bool is_change = place >= 1 && place <= cells;
    const int64_t n = run.next_chunk(is_change ? cells + 1 - place : 1);
    if (n == 0) break;
    const Tensor levels = samples.levels(done, n, points);
    for (int64_t& point : points) point += first_point;
    if (is_change) {
      std::vector<LocalChange> changes;
      for (int64_t i = 0; i < n; ++i) {
        const auto cell = static_cast<size_t>(place - 1 + i);
        changes.push_back({cell, perturber.part(levels[i], rectangles[cell], points[static_cast<size_t>(i)])});
      }
      scores.push_back(run.score_changes(changes));
    } else {
      const Tensor image = perturber.images(levels, points);
      scores.push_back(place == 0 ? run.set_bases(image) : run.score(image));
    }
    done += n;
  }
  return at::cat(scores);
}

/// The first `points` points.
PickFreezeScores by_point(const Tensor& scores, int64_t points, int64_t a_point, int64_t cells) {
  const Tensor y = scores.narrow(0, 0, points * a_point).view({points, a_point, scores.size(1)});
  return {y.select(1, 0), y.narrow(1, 1, cells), a_point > cells + 1 ? y.select(1, cells + 1) : Tensor()};
}

}  // namespace

std::vector<PickFreezeScores> run_pick_freeze(
    MethodRun& run, const Perturber& perturber, const PickFreezeOptions& options,
    const std::function<bool(const std::vector<PickFreezeScores>&)>& settled) {
  const int64_t cells = perturber.cells();
  std::vector<PickFreezeScores> finished;
  const std::vector<ImagePatch> rectangles = perturber.rectangles();
  std::vector<int64_t> first_point;
  const Tensor example = perturber.images(Samples(options, cells, 0).levels(0, 1, first_point), first_point)[0];
  const bool by_changes = perturber.is_local() && run.start_local(rectangles, example);
  for (int64_t r = 0; r < options.replicates; ++r) {
    const Samples samples(options, cells, r);
    const int64_t chunk = by_changes ? run.batch() : equal_chunk(samples.count(), run.batch());
    for (Explanation& result : run.results()) result.plan["batch"] = std::to_string(chunk);
    const Tensor scores = by_changes ? score_changes(run, perturber, rectangles, samples, r * options.designs)
                                     : score_samples(run, perturber, samples, chunk, r * options.designs);
    const int64_t points = scores.size(0) / samples.a_point();
    if (points == options.designs) {
      finished.push_back(by_point(scores, points, samples.a_point(), cells));
      if (settled(finished)) break;
      continue;
    }
    if (!finished.empty()) {
      run.warn("Stopped after " + std::to_string(finished.size()) + " of " + std::to_string(options.replicates) +
               " replicates: the map is made of these.");
    } else if (points >= 2) {
      finished.push_back(by_point(scores, points, samples.a_point(), cells));
      run.warn("Stopped within the first replicate: the map is made of " + std::to_string(points) + " of its " +
               std::to_string(options.designs) + " points.");
    } else {
      run.warn("Stopped before two points were scored, which takes " + std::to_string(2 * samples.a_point()) +
               " forwards: nothing is known and the map is zero.");
    }
    break;
  }
  for (Explanation& result : run.results()) result.plan["replicates"] = std::to_string(finished.size());
  return finished;
}

void explain_by_pick_freeze(MethodRun& run, const Perturber& perturber, const PickFreezeOptions& options,
                            SettleRule rule,
                            const std::function<CellEstimate(const std::vector<PickFreezeScores>&)>& estimate) {
  const auto replicates = run_pick_freeze(run, perturber, options, [&](const auto& finished) {
    return rule.is_asked() && rule.settled(estimate(finished), static_cast<int64_t>(finished.size()));
  });
  fill_results(run, perturber,
               replicates.empty() ? nothing_known(perturber.cells(), run.targets()) : estimate(replicates),
               {.not_negative = true, .verdict = rule.verdict()});
}

}  // namespace vitrail
