#include <vitrail/error.h>
#include <vitrail/map_distance.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/text.h"
#include "evaluation/map_correlation.h"
#include "evaluation/ssim.h"

namespace vitrail {

namespace {

using Named = std::pair<MapDistance, const char*>;
constexpr std::array<Named, 6> kNames = {Named{MapDistance::sqrt_abs_spearman, "sqrt_abs_spearman"},
                                         {MapDistance::one_minus_abs_spearman, "one_minus_abs_spearman"},
                                         {MapDistance::one_minus_spearman, "one_minus_spearman"},
                                         {MapDistance::l1, "l1"},
                                         {MapDistance::l2, "l2"},
                                         {MapDistance::ssim, "ssim"}};

}  // namespace

std::string name_of(MapDistance distance) {
  for (const auto& [value, name] : kNames)
    if (value == distance) return name;
  throw InternalError("Unknown map distance.");
}

MapDistance parse_map_distance(const std::string& name) {
  for (const auto& [value, known] : kNames)
    if (name == known) return value;
  throw UsageError("there is no distance of maps '" + name + "'. " + did_you_mean(name, map_distances()));
}

std::vector<std::string> map_distances() {
  std::vector<std::string> names;
  for (const auto& [value, name] : kNames) names.emplace_back(name);
  return names;
}

double map_distance(const Tensor& a, const Tensor& b, MapDistance distance) {
  if (a.dim() != 2 || a.sizes() != b.sizes() || a.numel() == 0)
    throw UsageError("Map distance: expected two maps [H,W] of the same size.");
  const Tensor x = a.to(at::kCPU, at::kDouble).contiguous(), y = b.to(at::kCPU, at::kDouble).contiguous();
  if (!x.isfinite().all().item<bool>() || !y.isfinite().all().item<bool>())
    return std::numeric_limits<double>::quiet_NaN();
  switch (distance) {
    case MapDistance::sqrt_abs_spearman:
      return std::sqrt(1 - std::abs(map_correlation(x, y)));
    case MapDistance::one_minus_abs_spearman:
      return 1 - std::abs(map_correlation(x, y));
    case MapDistance::one_minus_spearman:
      return 1 - map_correlation(x, y);
    case MapDistance::l1:
      return (x - y).abs().sum().item<double>();
    case MapDistance::l2:
      return std::sqrt((x - y).square().sum().item<double>());
    case MapDistance::ssim:
      return 1 - ssim(x, y);
  }
  throw InternalError("Unknown map distance.");
}

}  // namespace vitrail
