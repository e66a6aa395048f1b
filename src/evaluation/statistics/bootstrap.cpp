#include <vitrail/bootstrap.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "attribution/options.h"
#include "attribution/random.h"
#include "evaluation/statistics/normal.h"
#include "evaluation/statistics/resampling.h"

namespace vitrail {

namespace {

/// Means of `values` drawn with replacement, in increasing order. Two places are read from 64 random bits.
std::vector<double> resampled_means(std::span<const double> values, const BootstrapOptions& options) {
  const auto n = static_cast<uint64_t>(values.size());
  const auto drawn = [&](uint64_t bits) { return values[(bits & 0xffffffff) * n >> 32]; };
  std::vector<double> means(static_cast<size_t>(options.resamples));
  for (size_t sample = 0; sample < means.size(); ++sample) {
    const Random random(options.seed, RandomStream::bootstrap, sample);
    double sum = 0;
    for (uint64_t i = 0; i < n; i += 2) {
      const uint64_t bits = random.at(i / 2);
      sum += drawn(bits);
      if (i + 1 < n) sum += drawn(bits >> 32);
    }
    means[sample] = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// Phi^-1 of the share of means below 0. A mean of deviations that is a rounding error is a tie. The share stays half a
/// resample away from 0 and 1.
double bias_correction(const std::vector<double>& means, double rounding) {
  const auto below = std::lower_bound(means.begin(), means.end(), -rounding);
  const auto above = std::upper_bound(below, means.end(), rounding);
  const auto count = static_cast<double>(means.size());
  const double share = static_cast<double>(below - means.begin()) + static_cast<double>(above - below) / 2;
  return normal_quantile(std::clamp(share, 0.5, count - 0.5) / count);
}

double acceleration(const std::vector<double>& deviations) {
  double squares = 0, cubes = 0;
  for (const double d : deviations) {
    squares += d * d;
    cubes += d * d * d;
  }
  return cubes / (6 * std::pow(squares, 1.5));
}

/// The level at which the quantile is read where an uncorrected interval reads that of Phi(z).
double corrected_level(double z, double bias, double acceleration) {
  const double moved = bias + z, slope = 1 - acceleration * moved;
  if (slope <= 0) return moved > 0 ? 1 : 0;  // beyond the end of every distribution
  return normal_cdf(bias + moved / slope);
}

}  // namespace

void check_bootstrap(const BootstrapOptions& options) {
  if (options.resamples < 100)
    throw UsageError("bootstrap: found " + std::to_string(options.resamples) + " resamples, expected at least 100.");
  if (!(options.level > 0 && options.level < 1))
    throw UsageError("bootstrap: found level " + write_value(options.level) + ", expected one between 0 and 1.");
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

Aggregate bootstrap_mean(std::span<const double> scores, const BootstrapOptions& options) {
  check_bootstrap(options);
  std::vector<double> values;
  std::copy_if(scores.begin(), scores.end(), std::back_inserter(values), [](double s) { return std::isfinite(s); });
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Aggregate result{.mean = nan, .low = nan, .high = nan, .n = static_cast<int64_t>(values.size())};
  result.undefined = static_cast<int64_t>(scores.size()) - result.n;
  if (result.n == 0) {
    result.reason = "no image has a score";
    return result;
  }
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  const double least = *smallest, spread = *largest - least;
  if (spread == 0) {
    result.mean = least;  // the mean of equal numbers is rounded
    if (result.n > 1)
      result.low = result.high = least;
    else
      result.reason = "one image has a score: there is nothing to resample";
    return result;
  }
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(result.n);
  // In units of the spread: no power overflows, and ties are known from rounding.
  for (double& value : values) value = (value - result.mean) / spread;
  const std::vector<double> means = resampled_means(values, options);
  const double bias = bias_correction(means, 1e-12), a = acceleration(values);
  const double z = normal_quantile((1 + options.level) / 2);
  result.low = result.mean + spread * quantile(means, corrected_level(-z, bias, a));
  result.high = result.mean + spread * quantile(means, corrected_level(z, bias, a));
  return result;
}

}  // namespace vitrail
