#include <vitrail/error.h>
#include <vitrail/mege.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

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

/// The finite ones, in increasing order.
std::vector<double> sorted_finite(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  std::sort(values.begin(), values.end());
  return values;
}

/// ReCo and its threshold from sorted distances: both shares are steps at these distances.
void sweep(const std::vector<double>& equal, const std::vector<double>& different, bool strict, Mege& result) {
  result.reco = 0;
  const auto share = [](auto first, auto last, const std::vector<double>& all) {
    return static_cast<double>(last - first) / static_cast<double>(all.size());
  };
  std::vector<double> thresholds;
  std::merge(equal.begin(), equal.end(), different.begin(), different.end(), std::back_inserter(thresholds));
  for (const double g : thresholds) {
    const auto end =
        strict ? std::lower_bound(equal.begin(), equal.end(), g) : std::upper_bound(equal.begin(), equal.end(), g);
    const double tpr = share(equal.begin(), end, equal);
    const double tnr = share(std::upper_bound(different.begin(), different.end(), g), different.end(), different);
    if (tpr + tnr - 1 <= result.reco) continue;
    result.reco = tpr + tnr - 1;
    result.threshold = g;
  }
}

}  // namespace

FoldDistances fold_distances(const FoldMaps& study, MapDistance distance) {
  check(study);
  const Tensor correct = study.correct.to(at::kCPU);
  const auto right = correct.accessor<bool, 2>();
  const auto models = static_cast<int64_t>(study.maps.size()), images = static_cast<int64_t>(study.folds.size());
  FoldDistances result;
  for (int64_t i = 0; i < models; ++i)
    for (int64_t j = i + 1; j < models; ++j)
      for (int64_t image = 0; image < images; ++image) {
        const int64_t fold = study.folds[static_cast<size_t>(image)];
        const bool first = right[i][image], second = right[j][image];
        if ((fold != i && fold != j) || (!first && !second)) continue;
        const Tensor &a = study.maps[static_cast<size_t>(i)], &b = study.maps[static_cast<size_t>(j)];
        (first && second ? result.equal : result.different).push_back(map_distance(a[image], b[image], distance));
      }
  return result;
}

Mege mege_of_distances(const FoldDistances& distances, bool strict) {
  const std::vector<double> equal = sorted_finite(distances.equal), different = sorted_finite(distances.different);
  Mege result{.mege = kNaN, .reco = kNaN, .threshold = kNaN};
  result.equal = static_cast<int64_t>(equal.size());
  result.different = static_cast<int64_t>(different.size());
  result.undefined =
      static_cast<int64_t>(distances.equal.size() + distances.different.size()) - result.equal - result.different;
  if (equal.empty()) {
    result.mege_reason = result.reco_reason = "there is no distance between maps of two models that are both right";
    return result;
  }
  result.mege = 1 / (1 + std::accumulate(equal.begin(), equal.end(), 0.0) / static_cast<double>(equal.size()));
  if (different.empty())
    result.reco_reason = "there is no distance between maps of two models of which exactly one is right";
  else
    sweep(equal, different, strict, result);
  return result;
}

Mege mege(const FoldMaps& study, const MegeOptions& options) {
  return mege_of_distances(fold_distances(study, options.distance), options.strict);
}

}  // namespace vitrail
