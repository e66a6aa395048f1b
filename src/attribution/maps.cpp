#include "attribution/maps.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>

#include "attribution/options.h"

namespace vitrail {

Tensor reduce_channels(const Tensor& values, Reducer reducer) {
  switch (reducer) {
    case Reducer::min:
      return values.amin(0);
    case Reducer::mean:
      return values.mean(0);
    case Reducer::max:
      return values.amax(0);
    case Reducer::sum:
      return values.sum(0);
  }
  VITRAIL_CHECK(false, "unknown reducer");
  return {};
}

Tensor upsample(const Tensor& cells, int64_t height, int64_t width, Interpolation interpolation) {
  const Tensor image = cells.unsqueeze(0).unsqueeze(0);
  const auto enlarge = [&] {
    switch (interpolation) {
      case Interpolation::nearest:
        return at::upsample_nearest2d(image, {height, width});
      case Interpolation::bilinear:
        return at::upsample_bilinear2d(image, {height, width}, /*align_corners=*/false);
      case Interpolation::bicubic:
        return at::upsample_bicubic2d(image, {height, width}, /*align_corners=*/false);
    }
    VITRAIL_CHECK(false, "unknown interpolation");
    return Tensor();
  };
  return enlarge().squeeze(0).squeeze(0);
}

Tensor mean_colour(const Tensor& input) {
  const Tensor nan = at::full({}, std::numeric_limits<float>::quiet_NaN(), input.options());
  return at::where(at::isfinite(input), input, nan).nanmean(at::IntArrayRef({1, 2}), /*keepdim=*/true).nan_to_num();
}

double range_of(const Tensor& input) {
  const Tensor finite = input.masked_select(at::isfinite(input));
  return finite.numel() == 0 ? 0 : (finite.max() - finite.min()).item<double>();
}

std::string describe_non_finite_input(const Tensor& input) {
  if (std::isfinite(input.sum(at::kDouble).item<double>())) return "";
  const Tensor places = at::isfinite(input).logical_not().nonzero();
  if (places.size(0) == 0) return "";
  const auto coordinate = [&](int64_t axis) { return std::to_string(places[0][axis].item<int64_t>()); };
  return "The input holds " + std::to_string(places.size(0)) +
         " non-finite values (NaN or infinity), the first at channel " + coordinate(0) + ", row " + coordinate(1) +
         ", column " + coordinate(2) + ". Check the preprocessing; the map may not mean anything.";
}

std::vector<std::string> diagnose(const Explanation& explanation, const std::string& why_zero) {
  std::vector<std::string> findings;
  if (!std::isfinite(explanation.score))
    findings.push_back("The score of the input is not finite: the map has no meaning.");
  const Tensor& map = explanation.map;
  const int64_t broken = at::isfinite(map).logical_not().sum().item<int64_t>();
  if (broken > 0) {
    findings.push_back("The map holds " + std::to_string(broken) + " non-finite values of " +
                       std::to_string(map.numel()) + ": the model returns or propagates NaN or infinity.");
    return findings;
  }
  const double low = map.min().item<double>(), high = map.max().item<double>();
  if (low == 0 && high == 0) {
    findings.push_back("The map is zero everywhere: " + why_zero);
  } else if (low == high && map.numel() > 1) {
    findings.push_back("The map is constant: every pixel has the value " + write_value(low) + ".");
  }
  return findings;
}

}  // namespace vitrail
