#include "evaluation/stability/distance_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

DistanceSweep::DistanceSweep(std::vector<PlacedDistance> distances) : sorted_(std::move(distances)) {
  std::erase_if(sorted_, [](const PlacedDistance& d) { return !std::isfinite(d.distance); });
  std::stable_sort(sorted_.begin(), sorted_.end(),
                   [](const PlacedDistance& a, const PlacedDistance& b) { return a.distance < b.distance; });
}

double DistanceSweep::mege(std::span<const int64_t> counts) const {
  double sum = 0, count = 0;
  for (const PlacedDistance& d : sorted_) {
    if (!d.equal) continue;
    sum += static_cast<double>(counts[d.image]) * d.distance;
    count += static_cast<double>(counts[d.image]);
  }
  return count > 0 ? 1 / (1 + sum / count) : kNaN;
}

DistanceSweep::Reco DistanceSweep::reco(std::span<const int64_t> counts, bool strict) const {
  int64_t all_equal = 0, all_different = 0;
  for (const PlacedDistance& d : sorted_) (d.equal ? all_equal : all_different) += counts[d.image];
  if (all_equal == 0 || all_different == 0) return {kNaN, kNaN};
  Reco best{0, kNaN};
  int64_t equal = 0, different = 0;  // up to the threshold
  for (size_t begin = 0, end = 0; begin < sorted_.size(); begin = end) {
    int64_t equal_here = 0, different_here = 0;
    for (; end < sorted_.size() && sorted_[end].distance == sorted_[begin].distance; ++end)
      (sorted_[end].equal ? equal_here : different_here) += counts[sorted_[end].image];
    if (equal_here + different_here == 0) continue;  // no distance of this sample
    different += different_here;
    const double tpr = static_cast<double>(strict ? equal : equal + equal_here) / static_cast<double>(all_equal);
    const double tnr = static_cast<double>(all_different - different) / static_cast<double>(all_different);
    equal += equal_here;
    if (tpr + tnr - 1 > best.value) best = {tpr + tnr - 1, sorted_[begin].distance};
  }
  return best;
}

}  // namespace vitrail
