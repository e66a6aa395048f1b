#include <vitrail/baseline.h>
#include <vitrail/error.h>

#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <optional>

#include "attribution/options.h"

namespace vitrail {

namespace {

std::optional<double> as_number(const std::string& text) {
  try {
    double value = 0;
    read_value(text, value);
    return value;
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

/// Mean of every channel over its finite pixels, so that one broken pixel does not spread.
Tensor mean_colour(const Tensor& input) {
  const Tensor nan = at::full({}, std::numeric_limits<float>::quiet_NaN(), input.options());
  return at::where(at::isfinite(input), input, nan).nanmean(at::IntArrayRef({1, 2}), /*keepdim=*/true).nan_to_num();
}

}  // namespace

Baseline::Baseline(const std::string& name) : name_(name) {
  if (name == "zero" || name == "black" || name == "mean") return;
  const auto value = as_number(name);
  if (!value)
    throw UsageError("Unknown baseline \"" + name + "\". " + did_you_mean(name, {"zero", "black", "mean"}) +
                     " Or a pixel value from 0 to 255.");
  if (*value < 0 || *value > 255)
    throw UsageError("Baseline " + name + " is no pixel value: it must lie between 0 and 255.");
  name_ = write_value(*value);
}

Tensor Baseline::resolve(const Tensor& input, const Scorer& scorer) const {
  const int64_t channels = input.size(0);
  if (name_ == "zero") return at::zeros({channels, 1, 1}, input.options());
  if (name_ == "mean") return mean_colour(input);
  const double value = name_ == "black" ? 0 : *as_number(name_);
  return scorer.pixel(value, channels).to(input.options());
}

}  // namespace vitrail
