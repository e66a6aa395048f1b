#include <vitrail/baseline.h>
#include <vitrail/error.h>
#include <vitrail/image.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <optional>

#include "attribution/blur.h"
#include "attribution/maps.h"
#include "attribution/options.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

const std::vector<std::string> known = {"zero",    "black",       "white",       "mean",    "blur",  "noise",
                                        "uniform", "dataset:DIR", "samples:DIR", "inpaint", "linear"};

template <class Number>
std::optional<Number> as_number(const std::string& text) {
  try {
    Number value = 0;
    read_value(text, value);
    return value;
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

Tensor deviation_of_colour(const Tensor& input) { return mean_colour((input - mean_colour(input)).square()).sqrt(); }

Random noise_of(const std::string& seed) {
  return {seed.empty() ? 1 : *as_number<uint64_t>(seed), RandomStream::baseline, 0};
}

Tensor normal_noise(const Tensor& input, const std::string& seed) {
  const Tensor noise = at::empty(input.sizes(), at::kFloat);
  noise_of(seed).fill_normal({noise.data_ptr<float>(), static_cast<size_t>(noise.numel())});
  return mean_colour(input) + noise.to(input.options()) * deviation_of_colour(input);
}

Tensor uniform_noise(const Tensor& input, const Scorer& scorer, const std::string& seed) {
  const Tensor noise = at::empty(input.sizes(), at::kFloat);
  noise_of(seed).fill_uniform({noise.data_ptr<float>(), static_cast<size_t>(noise.numel())});
  const Tensor dark = scorer.pixel(0, input.size(0)), bright = scorer.pixel(255, input.size(0));
  return (dark + noise * (bright - dark)).to(input.options());
}

Tensor blurred(const Tensor& input, const std::string& argument) {
  const double sigma = argument.empty() ? static_cast<double>(std::min(input.size(1), input.size(2))) / 22
                                        : *as_number<double>(argument);
  return gaussian_blur(at::where(at::isfinite(input), input, mean_colour(input)), sigma);
}

}  // namespace

Baseline::Baseline(const std::string& name) : name_(name) {
  const size_t colon = name.find(':');
  kind_ = name.substr(0, colon);
  if (colon != std::string::npos) argument_ = name.substr(colon + 1);
  const auto is = [&](std::initializer_list<const char*> kinds) {
    return std::any_of(kinds.begin(), kinds.end(), [&](const char* kind) { return kind_ == kind; });
  };
  if (is({"zero", "black", "white", "mean", "inpaint", "linear"}) && argument_.empty()) return;
  if (kind_ == "blur") {
    const auto sigma = argument_.empty() ? 1 : as_number<double>(argument_).value_or(-1);
    if (!(sigma > 0 && sigma <= 1000))
      throw UsageError("Baseline " + name + ": expected a standard deviation in pixels, as in blur:10.");
    return;
  }
  if (is({"noise", "uniform"})) {
    if (!argument_.empty() && !as_number<uint64_t>(argument_))
      throw UsageError("Baseline " + name + ": expected a seed, as in " + kind_ + ":1.");
    return;
  }
  if (is({"dataset", "samples"})) {
    if (!std::filesystem::is_directory(argument_))
      throw UsageError("Baseline " + name + ": \"" + argument_ + "\" is no folder; expected one with photos, as in " +
                       kind_ + ":photos.");
    return;
  }
  const auto value = as_number<double>(name);
  if (!value)
    throw UsageError("Unknown baseline \"" + name + "\". " + did_you_mean(name, known) +
                     " Or a pixel value from 0 to 255.");
  if (*value < 0 || *value > 255)
    throw UsageError("Baseline " + name + " is no pixel value: it must lie between 0 and 255.");
  kind_ = name_ = write_value(*value);
}

Tensor Baseline::resolve(const Tensor& input, const Scorer& scorer) const {
  const int64_t channels = input.size(0);
  if (kind_ == "zero") return at::zeros({channels, 1, 1}, input.options());
  if (kind_ == "mean") return mean_colour(input);
  if (kind_ == "blur") return blurred(input, argument_);
  if (kind_ == "noise") return normal_noise(input, argument_);
  if (kind_ == "uniform") return uniform_noise(input, scorer, argument_);
  if (kind_ == "dataset") return photos(input, scorer).mean(0);
  if (kind_ == "samples") return photos(input, scorer)[0];
  if (depends_on_mask())
    throw UsageError("Baseline " + name_ +
                     " fills what a mask hides, and this method hides nothing. Take zero, black, mean or blur.");
  const double value = kind_ == "black" ? 0 : kind_ == "white" ? 255 : *as_number<double>(kind_);
  return scorer.pixel(value, channels).to(input.options());
}

Tensor Baseline::photos(const Tensor& input, const Scorer& scorer) const {
  const auto files = photos_in(argument_);
  if (files.empty())
    throw InputError("Baseline " + name_ +
                     ": the folder holds no photos (.jpg, .jpeg, .png, .webp). Name one that does.");
  Tensors photos;
  for (const auto& file : files) {
    photos.push_back(scorer.prepare(file).to(input.options()));
    if (photos.back().sizes() != input.sizes())
      throw UsageError("Baseline " + name_ + ": " + file.string() + " was prepared to another size than the input.");
  }
  return at::stack(photos);
}

}  // namespace vitrail
