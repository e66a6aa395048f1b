#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>
#include <vitrail/human_alignment.h>

#include <cmath>

#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

void check_maps(const Tensor& maps, int64_t least) {
  if (maps.dim() != 3 || maps.size(0) < least || maps.numel() == 0)
    throw UsageError("the maps of people are [K,H,W] of one photo, with K of at least " + std::to_string(least) +
                     "; found " + std::to_string(maps.dim()) + " axes" +
                     (maps.dim() == 3 ? " and K = " + std::to_string(maps.size(0)) : "") + ".");
}

/// float64, each of deviation 1; 0 where one is constant. Their means stay: they decide nothing, and without them what
/// is almost 0 would be lost to rounding.
Tensor scaled(const Tensor& maps) {
  const Tensor values = maps.to(at::kDouble);
  const Tensor constant = values.amax({1, 2}, true) == values.amin({1, 2}, true);
  return at::where(constant, 0.0, values / values.std({1, 2}, /*unbiased=*/false, /*keepdim=*/true));
}

/// The mean of all but one. Summed anew: taking one away from a sum of all leaves what rounding did to it.
Tensor mean_of_others(const Tensor& maps, int64_t one) {
  const int64_t behind = maps.size(0) - one - 1;
  return at::cat({maps.narrow(0, 0, one), maps.narrow(0, one + 1, behind)}).mean(0);
}

}  // namespace

Tensor mean_human_map(const Tensor& maps) {
  check_maps(maps, 1);
  return scaled(maps).mean(0);
}

MetricScore human_ceiling(const Metric& metric, const Tensor& maps) {
  check_maps(maps, 2);
  if (metric.info().evidence != Evidence::human_map)
    throw UsageError("human_ceiling is of a metric of human alignment, which " + metric.info().name + " is not.");
  const Tensor values = scaled(maps);
  double total = 0, count = 0;
  std::string reason;
  for (int64_t person = 0; person < maps.size(0); ++person) {
    const MetricScore score = metric.score({.map = maps[person], .human_map = mean_of_others(values, person)});
    if (std::isnan(score.value)) {
      reason = score.undefined;
      continue;
    }
    total += score.value;
    ++count;
  }
  return count == 0 ? undefined_score(reason) : MetricScore{.value = total / count};
}

}  // namespace vitrail
