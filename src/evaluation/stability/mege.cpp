#include <vitrail/error.h>
#include <vitrail/mege.h>
#include <vitrail/metric.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "evaluation/stability/distance_sweep.h"

namespace vitrail {

namespace {

void check(const FoldMaps& study) {
  const auto models = static_cast<int64_t>(study.maps.size()), images = static_cast<int64_t>(study.folds.size());
  if (models < 2) throw UsageError("MeGe: found " + std::to_string(models) + " models, expected at least 2.");
  for (const Tensor& maps : study.maps)
    if (maps.dim() != 3 || maps.sizes() != study.maps.front().sizes() || maps.size(0) != images)
      throw UsageError("MeGe: expected maps [" + std::to_string(images) +
                       ",H,W] of every model, all of one size: one map for each of the " + std::to_string(images) +
                       " images that have a fold.");
  if (!study.correct.defined() || study.correct.scalar_type() != at::kBool || study.correct.dim() != 2 ||
      study.correct.size(0) != models || study.correct.size(1) != images)
    throw UsageError("MeGe: expected `correct` to be bool [" + std::to_string(models) + "," + std::to_string(images) +
                     "]: models and images.");
  for (const int64_t fold : study.folds)
    if (fold < 0 || fold >= models)
      throw UsageError("MeGe: found fold " + std::to_string(fold) + ", expected that of a model: 0 to " +
                       std::to_string(models - 1) + ".");
}

void measure(const FoldMaps& study, MapDistance distance, const Execution& execution, std::vector<FoldPair>& pairs) {
  const auto total = static_cast<int64_t>(pairs.size());
  if (execution.listener) execution.listener->on_begin("distances", total);
  for (int64_t done = 0; done < total; ++done) {
    if (execution.cancelled && *execution.cancelled) throw CancelledError();
    FoldPair& pair = pairs[static_cast<size_t>(done)];
    const Tensor &a = study.maps[static_cast<size_t>(pair.first)], &b = study.maps[static_cast<size_t>(pair.second)];
    pair.distance = map_distance(a[pair.image], b[pair.image], distance);
    if (execution.listener) execution.listener->on_progress(done + 1, total);
  }
  if (execution.listener) execution.listener->on_end();
}

FoldDistances distances_of(std::span<const FoldPair> pairs) {
  FoldDistances result;
  for (const FoldPair& pair : pairs) (pair.equal ? result.equal : result.different).push_back(pair.distance);
  return result;
}

bool is_finite(double value) { return std::isfinite(value); }

}  // namespace

std::vector<FoldPair> fold_pairs(const FoldMaps& study, MapDistance distance, const Execution& execution) {
  check(study);
  const Tensor correct = study.correct.to(at::kCPU);
  const auto right = correct.accessor<bool, 2>();
  const auto models = static_cast<int64_t>(study.maps.size()), images = static_cast<int64_t>(study.folds.size());
  std::vector<FoldPair> pairs;
  for (int64_t i = 0; i < models; ++i)
    for (int64_t j = i + 1; j < models; ++j)
      for (int64_t image = 0; image < images; ++image) {
        const int64_t fold = study.folds[static_cast<size_t>(image)];
        const bool first = right[i][image], second = right[j][image];
        if ((fold == i || fold == j) && (first || second))
          pairs.push_back({.image = image, .first = i, .second = j, .equal = first && second});
      }
  measure(study, distance, execution, pairs);
  return pairs;
}

FoldDistances fold_distances(const FoldMaps& study, MapDistance distance) {
  return distances_of(fold_pairs(study, distance));
}

Mege mege_of_distances(const FoldDistances& distances, bool strict) {
  std::vector<PlacedDistance> placed;
  for (const double distance : distances.equal) placed.push_back({distance, true, 0});
  for (const double distance : distances.different) placed.push_back({distance, false, 0});
  const DistanceSweep sweep(placed);
  const std::array<int64_t, 1> once = {1};
  const auto [reco, threshold] = sweep.reco(once, strict);
  Mege result{.mege = sweep.mege(once), .reco = reco, .threshold = threshold};
  result.equal = std::count_if(distances.equal.begin(), distances.equal.end(), is_finite);
  result.different = std::count_if(distances.different.begin(), distances.different.end(), is_finite);
  result.undefined = static_cast<int64_t>(placed.size()) - result.equal - result.different;
  if (result.equal == 0)
    result.mege_reason = result.reco_reason = "there is no distance between maps of two models that are both right";
  else if (result.different == 0)
    result.reco_reason = "there is no distance between maps of two models of which exactly one is right";
  return result;
}

Mege mege(const FoldMaps& study, const MegeOptions& options) {
  return mege_of_distances(fold_distances(study, options.distance), options.strict);
}

Mege mege_of_pairs(std::span<const FoldPair> pairs, bool strict) {
  return mege_of_distances(distances_of(pairs), strict);
}

MegeIntervals mege_intervals(std::span<const FoldPair> pairs, int64_t images, bool strict,
                             const BootstrapOptions& options) {
  std::vector<PlacedDistance> placed;
  for (const FoldPair& pair : pairs) placed.push_back({pair.distance, pair.equal, static_cast<size_t>(pair.image)});
  const DistanceSweep sweep(placed);
  return {bootstrap_statistic(
              images, [&](std::span<const int64_t> counts) { return sweep.mege(counts); }, options),
          bootstrap_statistic(
              images, [&](std::span<const int64_t> counts) { return sweep.reco(counts, strict).value; }, options)};
}

}  // namespace vitrail
