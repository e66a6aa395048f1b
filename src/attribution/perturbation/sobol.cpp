#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <vitrail/sobol.h>

#include "attribution/explain_image.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/estimators.h"
#include "attribution/perturbation/masks.h"

namespace vitrail {

namespace {

/// Samples of one design, in the order they are sent: A_1, C_1,1 .. C_1,d, A_2, C_2,1 .. C_2,d, ... so that a run
/// that stops has finished points.
struct PickFreeze {
  Tensor design;  // float64 [N,2d]: A and B side by side

  int64_t cells() const { return design.size(1) / 2; }
  int64_t samples_a_point() const { return cells() + 1; }
  int64_t samples() const { return design.size(0) * samples_a_point(); }

  /// Fade levels of samples first .. first + count - 1, float64 [count,d].
  Tensor levels(int64_t first, int64_t count) const {
    const Tensor points = at::arange(first, first + count, at::kLong).div(samples_a_point(), "floor");
    const Tensor levels = design.narrow(1, 0, cells()).index_select(0, points);
    auto level = levels.accessor<double, 2>();
    const auto point = design.accessor<double, 2>();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t n = (first + i) / samples_a_point(), cell = (first + i) % samples_a_point() - 1;
      if (cell >= 0) level[i][cell] = point[n][cells() + cell];
    }
    return levels;
  }
};

/// The largest batch that divides the samples: y_A and y_C then come from forwards of one size, and so from the same
/// kernels, whose rounding cancels in their difference.
int64_t equal_chunk(int64_t samples, int64_t batch) {
  int64_t chunk = std::min(samples, batch);
  while (samples % chunk != 0) --chunk;
  return chunk;
}

/// Scores float64 [n,T] of the samples, in order; all of them unless the run stops.
Tensor score_samples(MethodRun& run, const PickFreeze& samples, const Tensor& baseline, int64_t grid, int64_t chunk) {
  Tensors scores = {at::zeros({0, run.targets()}, at::kDouble)};
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(std::min(chunk, samples.samples() - done))) {
    const Tensor levels = samples.levels(done, n).to(run.input().options()).view({n, grid, grid});
    scores.push_back(run.score(apply_masks(run.input(), baseline, upsample_cells(levels, run.height(), run.width()))));
    done += n;
  }
  return at::cat(scores);
}

/// The first `points` points.
PickFreezeScores by_point(const Tensor& scores, int64_t points, int64_t cells) {
  const Tensor y = scores.narrow(0, 0, points * (cells + 1)).view({points, cells + 1, scores.size(1)});
  return {y.select(1, 0), y.narrow(1, 1, cells)};
}

/// The finished replicates. Where a stop left not even the first finished, its finished points.
std::vector<PickFreezeScores> run_replicates(MethodRun& run, const Tensor& baseline, const SobolOptions& options,
                                             int64_t chunk) {
  const int64_t cells = options.grid * options.grid;
  std::vector<PickFreezeScores> finished;
  for (int64_t r = 0; r < options.replicates; ++r) {
    const PickFreeze samples{
        draw_design(options.sampler, options.designs, 2 * cells, options.seed, static_cast<uint64_t>(r))};
    const Tensor scores = score_samples(run, samples, baseline, options.grid, chunk);
    const int64_t points = scores.size(0) / samples.samples_a_point();
    if (points == options.designs) {
      finished.push_back(by_point(scores, points, cells));
      continue;
    }
    if (!finished.empty()) {
      run.warn("Stopped after " + std::to_string(finished.size()) + " of " + std::to_string(options.replicates) +
               " replicates: the map is made of these.");
    } else if (points >= 2) {
      finished.push_back(by_point(scores, points, cells));
      run.warn("Stopped within the first replicate: the map is made of " + std::to_string(points) + " of its " +
               std::to_string(options.designs) + " points.");
    } else {
      run.warn("Stopped before two points were scored, which takes " + std::to_string(2 * samples.samples_a_point()) +
               " forwards: nothing is known and the map is zero.");
    }
    break;
  }
  return finished;
}

void explain_input(MethodRun& run, const Scorer& scorer, const SobolOptions& options) {
  const int64_t grid = options.grid, cells = grid * grid;
  const int64_t chunk = equal_chunk(options.designs * (cells + 1), run.batch());
  const auto finished = run_replicates(run, options.baseline.resolve(run.input(), scorer), options, chunk);
  const Tensor nothing = at::zeros({cells, run.targets()}, at::kDouble);
  const TotalOrder total = finished.empty() ? TotalOrder{nothing, nothing, {}} : jansen_total_order(finished);
  const auto enlarge = [&](const Tensor& values) {
    return upsample(values, run.height(), run.width(), Interpolation::bicubic).clamp_min(0);
  };
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& result = run.results()[static_cast<size_t>(t)];
    result.cells = total.index.select(1, t).reshape({grid, grid});
    result.map = enlarge(result.cells);
    result.standard_error = enlarge(total.standard_error.select(1, t).reshape({grid, grid}));
    result.plan["batch"] = std::to_string(chunk);
    result.plan["replicates"] = std::to_string(finished.size());
  }
}

Method::Cost cost(const SobolOptions& options, int64_t, int64_t, int64_t) {
  check_design_size(options.sampler, options.designs);
  return {.forwards = options.designs * options.replicates * (options.grid * options.grid + 1)};
}

const MethodDefinition<SobolOptions, Scorer>& definition() {
  using Options = SobolOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "sobol",
       .family = "perturbation",
       .summary = "Fades the cells of a grid at random and gives each its share of the score's variance.",
       .cost = "designs x replicates x (grid^2 + 1)",
       .guarantees =
           "Sampled, with a standard error. Total-order indices: a cell's own effect and all its interactions.",
       .source = "Fel et al.: Look at the Variance!, NeurIPS 2021",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "share of variance"},
      OptionTable<Options>({
          option("grid", &Options::grid, "cells along a side", between(1, 128)),
          option("designs", &Options::designs, "points of one replicate; a power of two for owen", at_least(2)),
          option("replicates", &Options::replicates, "independent designs, for the standard error", at_least(1)),
          choice("sampler", &Options::sampler, "how points are drawn",
                 {{"lhs", Sampler::lhs}, {"owen", Sampler::owen}, {"monte_carlo", Sampler::monte_carlo}}),
          option("seed", &Options::seed, "of the designs"),
          option("baseline", &Options::baseline, "what cells fade to: zero, black, mean or a pixel value"),
      }),
      sobol, cost);
  return definition;
}

}  // namespace

const MethodEntry& sobol_method() { return definition(); }

std::vector<Explanation> sobol(const Scorer& scorer, const Tensor& inputs, const SobolOptions& options,
                               const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> sobol(const Model& model, const Image& image, const std::string& target,
                               const SobolOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return sobol(probe, input, options); });
}

}  // namespace vitrail
