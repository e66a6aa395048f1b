#include "evaluation/localisation/region.h"

#include <ATen/TensorOperators.h>

#include "evaluation/metric_impl.h"

namespace vitrail {

int64_t Region::hits(int64_t count, Ties ties, uint64_t seed) const {
  return (pixel_ranks(relevance, ties, seed) < count).logical_and(truth).sum().item<int64_t>();
}

MetricScore localise(const MetricCase& map, bool abs, const std::function<MetricScore(const Region&)>& judge) {
  if (map.truth.scalar_type() != at::kBool)
    throw UsageError("found a region of type " + std::string(c10::toString(map.truth.scalar_type())) +
                     ", expected bool: true where the target is.");
  const Tensor values = map.map.to(at::kDouble);
  Region region{
      .relevance = abs ? values.abs() : values, .truth = map.truth, .pixels = map.truth.sum().item<int64_t>()};
  if (region.pixels == 0) return undefined_score("the region that the target is in is empty");
  region.covered = static_cast<double>(region.pixels) / static_cast<double>(map.truth.numel());
  MetricScore score = judge(region);
  score.parts["covered"] = region.covered;
  return score;
}

}  // namespace vitrail
