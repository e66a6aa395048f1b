#include "evaluation/overlap.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sort.h>

#include <cmath>
#include <cstdint>

namespace vitrail {

namespace {

double count(const Tensor& region) { return static_cast<double>(region.sum().item<int64_t>()); }

double percentile_of(const Tensor& values, double percentile) {
  const Tensor sorted = std::get<0>(values.flatten().to(at::kDouble).sort());
  const double place = percentile / 100 * static_cast<double>(sorted.numel() - 1);
  const auto below = static_cast<int64_t>(std::floor(place)), above = static_cast<int64_t>(std::ceil(place));
  const double low = sorted[below].item<double>(), high = sorted[above].item<double>();
  return low + (place - static_cast<double>(below)) * (high - low);
}

}  // namespace

Tensor above_percentile(const Tensor& map, double percentile) {
  const Tensor values = map.to(at::kDouble), above = values > percentile_of(values, percentile);
  return above.any().item<bool>() ? above : values == values.max();
}

double iou_of(const Tensor& a, const Tensor& b) { return count(a.logical_and(b)) / count(a.logical_or(b)); }

double dice_of(const Tensor& a, const Tensor& b) { return 2 * count(a.logical_and(b)) / (count(a) + count(b)); }

}  // namespace vitrail
