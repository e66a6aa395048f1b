#include "attribution/perturbation/coalitions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "attribution/perturbation/settle.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

constexpr int64_t few_regions = 16;
constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

/// A byte a region.
std::string key_of(const Tensor& coalition) {
  std::string key;
  for (int64_t i = 0; i < coalition.size(0); ++i) key += coalition.const_data_ptr<double>()[i] == 0 ? '0' : '1';
  return key;
}

/// Begins an order of 0 .. count - 1 with `length` places drawn without replacement.
std::vector<int64_t> draw_places(Random& random, int64_t count, int64_t length) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = 0; i < length; ++i) {
    const int64_t other = i + static_cast<int64_t>(random.uniform() * static_cast<double>(count - i));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(other)]);
  }
  return order;
}

}  // namespace

CoalitionScorer::CoalitionScorer(MethodRun& run, const Perturber& perturber)
    : run_(run),
      perturber_(perturber),
      smallest_(at::full({run.targets()}, std::numeric_limits<double>::infinity(), at::kDouble)),
      largest_(-smallest_) {}

bool CoalitionScorer::is_kept(const std::string& key) const {
  if (perturber_.fill().depends_on_number()) return false;
  const auto shown = std::count(key.begin(), key.end(), '1');
  return regions() <= few_regions || shown <= 1 || shown >= regions() - 1;
}

void CoalitionScorer::note_range(const Tensor& scores) {
  const Tensor finite = at::isfinite(scores);
  smallest_ = at::minimum(smallest_, at::where(finite, scores, smallest_).amin(0));
  largest_ = at::maximum(largest_, at::where(finite, scores, largest_).amax(0));
}

Tensor CoalitionScorer::is_constant() const {
  return largest_ - smallest_ <= at::maximum(largest_.abs(), smallest_.abs()) * rounding_noise;
}

Tensor CoalitionScorer::score_chunk(const Tensor& shown, std::span<const int64_t> points) {
  std::vector<std::string> keys;
  std::vector<int64_t> rows, numbers;              // to be scored
  std::unordered_map<std::string, int64_t> place;  // of kept coalitions among them
  for (int64_t i = 0; i < shown.size(0); ++i) {
    keys.push_back(key_of(shown[i]));
    const bool keep = is_kept(keys.back());
    if (keep && (kept_.contains(keys.back()) || place.contains(keys.back()))) continue;
    if (keep) place[keys.back()] = static_cast<int64_t>(rows.size());
    rows.push_back(i);
    numbers.push_back(points[static_cast<size_t>(i)]);
  }
  Tensor scores = at::zeros({shown.size(0), run_.targets()}, at::kDouble);
  if (!rows.empty()) {
    Tensors images;
    for (const int64_t row : rows) images.push_back(shown[row]);
    const Tensor fresh = run_.score(perturber_.images(at::stack(images), numbers));
    note_range(fresh);
    for (size_t i = 0; i < rows.size(); ++i) scores[rows[i]].copy_(fresh[static_cast<int64_t>(i)]);
    for (const auto& [key, i] : place) kept_[key] = fresh[i].clone();
  }
  for (int64_t i = 0; i < shown.size(0); ++i)
    if (const auto known = kept_.find(keys[static_cast<size_t>(i)]); known != kept_.end())
      scores[i].copy_(known->second);
  return scores;
}

Tensor CoalitionScorer::score(const Tensor& shown, std::span<const int64_t> points) {
  Tensors scores = {at::zeros({0, run_.targets()}, at::kDouble)};
  int64_t done = 0;
  while (const int64_t n = run_.next_chunk(shown.size(0) - done)) {
    scores.push_back(
        score_chunk(shown.narrow(0, done, n), points.subspan(static_cast<size_t>(done), static_cast<size_t>(n))));
    done += n;
  }
  return at::cat(scores);
}

/// All of the path in whole images; less where the run stops.
Tensor CoalitionScorer::score_path(const CoalitionPath& path) {
  Tensors steps = {at::zeros({regions()}, at::kDouble)};
  for (const int64_t region : path.regions) {
    steps.push_back(steps.back().clone());
    steps.back()[region].neg_().add_(1);
  }
  const std::vector<int64_t> points(steps.size(), path.point);
  return score(at::stack(steps), points);
}

bool CoalitionScorer::moves_images() {
  if (!moves_images_) {
    if (perturber_.is_local()) rectangles_ = perturber_.rectangles();
    const std::vector<int64_t> first = {0};
    moves_images_ = perturber_.is_local() &&
                    run_.start_local(rectangles_, perturber_.images(at::zeros({1, regions()}, at::kDouble), first)[0]);
  }
  return *moves_images_;
}

/// Scores [1 + steps,paths,T], of at most a batch; fewer steps where the run stops.
Tensor CoalitionScorer::move_along(std::span<const CoalitionPath> paths) {
  const auto count = static_cast<int64_t>(paths.size());
  const Tensor shown = at::zeros({count, regions()}, at::kDouble);
  std::vector<int64_t> points;
  for (const CoalitionPath& path : paths) points.push_back(path.point);
  Tensors scores = {run_.set_bases(perturber_.images(shown, points))};
  note_range(scores.back());
  for (size_t step = 0; step < paths[0].regions.size() && !run_.should_stop(); ++step) {
    std::vector<LocalChange> changes;
    for (int64_t i = 0; i < count; ++i) {
      const CoalitionPath& path = paths[static_cast<size_t>(i)];
      const int64_t region = path.regions.at(step);
      shown[i][region].neg_().add_(1);
      const ImagePatch& rectangle = rectangles_[static_cast<size_t>(region)];
      changes.push_back({static_cast<size_t>(region), perturber_.part(shown[i], rectangle, path.point), i});
    }
    scores.push_back(run_.move_bases(changes));
    note_range(scores.back());
  }
  return at::stack(scores);
}

/// Side by side they share the calls of the kernels; a run that is stopped loses those that it is on.
constexpr int64_t kPathsAtOnce = 4;

std::vector<Tensor> CoalitionScorer::score_paths(std::span<const CoalitionPath> paths) {
  std::vector<Tensor> complete;
  const bool moves = moves_images();
  while (complete.size() < paths.size()) {
    const auto rest = paths.subspan(complete.size());
    const auto wanted = static_cast<int64_t>(rest.size()), steps = static_cast<int64_t>(rest[0].regions.size());
    const int64_t n = moves ? run_.next_chunk(std::min(wanted, kPathsAtOnce), 1 + steps) : 1;
    if (n == 0) break;
    const Tensor scores = moves ? move_along(rest.first(static_cast<size_t>(n))) : score_path(rest[0]).unsqueeze(1);
    if (scores.size(0) <= steps) {
      // What is in no result is not counted: a run that repeats this one up to its forwards would use them for a path.
      if (moves) run_.count(-scores.size(0) * n, 0);
      break;
    }
    for (int64_t i = 0; i < n; ++i) complete.push_back(scores.select(1, i));
  }
  return complete;
}

Tensor CoalitionScorer::score_uniform(double value) {
  const int64_t ways = value == 0 ? perturber_.fill().ways_to_hide_all() : 1;
  std::vector<int64_t> numbers(static_cast<size_t>(ways));
  std::iota(numbers.begin(), numbers.end(), 0);
  return score(at::full({ways, regions()}, value, at::kDouble), numbers);
}

Tensor draw_coalition(CoalitionSizes sizes, int64_t regions, uint64_t seed, uint64_t index, double& weight) {
  VITRAIL_CHECK(regions >= 2, "one region has no proper coalitions");
  Random random(seed, RandomStream::coalition, index);
  const auto kernel = [&](int64_t k) { return 1. / static_cast<double>(k * (regions - k)); };
  const auto probability = [&](int64_t k) { return sizes == CoalitionSizes::kernel ? kernel(k) : 1.; };
  double total = 0, kernel_sum = 0;
  for (int64_t k = 1; k < regions; ++k) total += probability(k), kernel_sum += kernel(k);
  double left = random.uniform() * total;
  int64_t size = 1;
  while (size < regions - 1 && left >= probability(size)) left -= probability(size++);
  weight = kernel(size) / kernel_sum * total / probability(size);  // 1 in the mean
  const Tensor coalition = at::zeros({regions}, at::kDouble);
  const std::vector<int64_t> places = draw_places(random, regions, size);
  for (int64_t i = 0; i < size; ++i) coalition[places[static_cast<size_t>(i)]] = 1;
  return coalition;
}

std::vector<int64_t> draw_order(int64_t count, uint64_t seed, uint64_t index) {
  Random random(seed, RandomStream::order, index);
  return draw_places(random, count, count);
}

int64_t score_units(MethodRun& run, CoalitionScorer& scorer, const CoalitionUnits& units) {
  int64_t done = 0;
  LookSchedule looks(units.first_look);
  while (done < units.count) {
    int64_t n = std::min(run.batch(), units.count - done);
    if (units.settled) n = std::min(n, looks.until_next(done));
    Tensors drawn;
    std::vector<int64_t> numbers;
    for (int64_t unit = done; unit < done + n; ++unit) {
      drawn.push_back(units.draw(unit));
      const std::vector<int64_t> own =
          units.numbers ? units.numbers(unit) : std::vector<int64_t>(static_cast<size_t>(drawn.back().size(0)), unit);
      numbers.insert(numbers.end(), own.begin(), own.end());
    }
    const Tensor shown = at::cat(drawn), scores = scorer.score(shown, numbers);
    const int64_t size = drawn[0].size(0), complete = scores.size(0) / size;
    if (complete > 0) units.add(done, shown.narrow(0, 0, complete * size), scores.narrow(0, 0, complete * size));
    done += complete;
    if (complete < n || (units.settled && looks.is_due(done) && units.settled(done))) break;
  }
  return done;
}

void warn_of_stop(MethodRun& run, int64_t done, int64_t wanted, const std::string& what) {
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(done) + " of " + std::to_string(wanted) + " " + what +
             (done > 0 ? ": the map is made of these." : ": nothing is known and the map is zero."));
}

}  // namespace vitrail
