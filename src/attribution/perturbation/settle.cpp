#include "attribution/perturbation/settle.h"

#include <ATen/TensorOperators.h>

#include <numbers>
#include <tuple>

#include "attribution/options.h"
#include "attribution/perturbation/student.h"

namespace vitrail {

namespace {

constexpr double alpha = 0.05;

/// Largest half width over range, of the worst target.
bool is_within(double tolerance, const Tensor& values, const Tensor& half_width) {
  const Tensor range = values.amax(0) - values.amin(0);
  return (half_width.amax(0) <= range * tolerance).all().item<bool>();
}

bool top_is_settled(int64_t top, const Tensor& values, const Tensor& half_width) {
  if (top >= values.size(0)) return true;
  const auto [sorted, order] = values.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  const Tensor half = half_width.gather(0, order);
  const Tensor lowest_inside = (sorted - half).narrow(0, 0, top).amin(0);
  const Tensor highest_outside = (sorted + half).narrow(0, top, values.size(0) - top).amax(0);
  return (lowest_inside > highest_outside).all().item<bool>();
}

}  // namespace

bool SettleRule::settled(const CellEstimate& estimate, int64_t units) {
  if (!is_asked() || units < 2) return false;
  ++looks_;
  const double look = static_cast<double>(looks_);
  const double level = 6 * alpha / (std::numbers::pi * std::numbers::pi * look * look);
  const double t =
      student_quantile(level / static_cast<double>(estimate.value.numel()), static_cast<double>(units - 1));
  const Tensor half_width = estimate.standard_error * t;
  settled_ = (tolerance_ <= 0 || is_within(tolerance_, estimate.value, half_width)) &&
             (top_ <= 0 || top_is_settled(top_, estimate.value, half_width));
  return settled_;
}

std::string SettleRule::verdict() const {
  if (!is_asked()) return "";
  std::string asked;
  if (tolerance_ > 0) asked = "tolerance " + write_value(tolerance_);
  if (top_ > 0) asked += (asked.empty() ? "" : " and ") + std::string("the top ") + std::to_string(top_);
  return asked + (settled_ ? " settled at look " : " not settled after look ") + std::to_string(looks_);
}

}  // namespace vitrail
