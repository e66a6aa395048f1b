#include <ATen/core/Tensor.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/special_ndtri.h>
#include <vitrail/error.h>
#include <vitrail/statistics.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "attribution/random.h"

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double normal_distribution(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }
double normal_quantile(double p) { return at::special_ndtri(at::scalar_tensor(p, at::kDouble)).item<double>(); }

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Means of resamples, sorted.
std::vector<double> resampled_means(const std::vector<double>& values, const BootstrapOptions& options) {
  std::vector<double> means;
  const auto n = static_cast<double>(values.size());
  for (int64_t resample = 0; resample < options.resamples; ++resample) {
    Random random(options.seed, RandomStream::resample, static_cast<uint64_t>(resample));
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[static_cast<size_t>(random.uniform() * n)];
    means.push_back(sum / n);
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// Of sorted values, linear between them.
double percentile(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1), below = std::floor(place);
  const auto i = static_cast<size_t>(below);
  return i + 1 < sorted.size() ? sorted[i] + (place - below) * (sorted[i + 1] - sorted[i]) : sorted.back();
}

/// How fast the standard error changes with the mean: from the skewness, which the jackknife of a mean comes to.
double acceleration(const std::vector<double>& values, double mean) {
  double squares = 0, cubes = 0;
  for (const double value : values) {
    const double d = value - mean;
    squares += d * d;
    cubes += d * d * d;
  }
  return cubes / (6 * std::pow(squares, 1.5));
}

}  // namespace

MeanInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  if (!(options.level > 0 && options.level < 1) || options.resamples < 10)
    throw UsageError("a bootstrap wants a level between 0 and 1 and at least 10 resamples; found " +
                     std::to_string(options.level) + " and " + std::to_string(options.resamples) + ".");
  std::vector<double> known;
  std::copy_if(values.begin(), values.end(), std::back_inserter(known),
               [](double value) { return !std::isnan(value); });
  MeanInterval result{kNaN, kNaN, kNaN, static_cast<int64_t>(known.size()),
                      static_cast<int64_t>(values.size() - known.size())};
  if (known.empty()) return result;
  result.mean = mean_of(known);
  if (known.size() < 2) return result;
  const auto [least, most] = std::minmax_element(known.begin(), known.end());
  if (*least == *most) {
    result.mean = result.low = result.high = *least;
    return result;
  }
  const std::vector<double> means = resampled_means(known, options);
  const auto [below, above] = std::equal_range(means.begin(), means.end(), result.mean);
  const double share =
      0.5 * static_cast<double>((below - means.begin()) + (above - means.begin())) / static_cast<double>(means.size());
  const double least_share = 0.5 / static_cast<double>(means.size());
  const double bias = normal_quantile(std::clamp(share, least_share, 1 - least_share));
  const double a = acceleration(known, result.mean);
  const auto bound = [&](double p) {
    const double z = bias + normal_quantile(p);
    return percentile(means, normal_distribution(bias + z / (1 - a * z)));
  };
  result.low = bound((1 - options.level) / 2);
  result.high = bound((1 + options.level) / 2);
  return result;
}

}  // namespace vitrail
