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

namespace vitrail {

namespace {

void check(const BootstrapOptions& options) {
  if (options.resamples < 100)
    throw UsageError("bootstrap: found " + std::to_string(options.resamples) + " resamples, expected at least 100.");
  if (!(options.level > 0 && options.level < 1))
    throw UsageError("bootstrap: found level " + write_value(options.level) + ", expected one between 0 and 1.");
}

/// `take(place)` for n of the places 0 to n - 1, drawn with replacement. Two are read from 64 random bits.
template <class Take>
void draw_places(uint64_t n, uint64_t seed, size_t sample, const Take& take) {
  const Random random(seed, RandomStream::bootstrap, sample);
  for (uint64_t i = 0; i < n; i += 2) {
    const uint64_t bits = random.at(i / 2);
    take((bits & 0xffffffff) * n >> 32);
    if (i + 1 < n) take((bits >> 32) * n >> 32);
  }
}

/// Means of `values` drawn with replacement, in increasing order.
std::vector<double> resampled_means(std::span<const double> values, const BootstrapOptions& options) {
  std::vector<double> means(static_cast<size_t>(options.resamples));
  for (size_t sample = 0; sample < means.size(); ++sample) {
    double sum = 0;
    draw_places(values.size(), options.seed, sample, [&](uint64_t place) { sum += values[place]; });
    means[sample] = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// Values of the statistic for images drawn with replacement, in increasing order; without those that do not exist.
std::vector<double> resampled(int64_t images, const ImageStatistic& statistic, const BootstrapOptions& options) {
  std::vector<double> values;
  std::vector<int64_t> counts(static_cast<size_t>(images));
  for (size_t sample = 0; sample < static_cast<size_t>(options.resamples); ++sample) {
    std::fill(counts.begin(), counts.end(), 0);
    draw_places(counts.size(), options.seed, sample, [&](uint64_t place) { ++counts[place]; });
    const double value = statistic(counts);
    if (std::isfinite(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

/// The jackknife's deviations: the mean of the values without one image, minus each of them. Not finite where one of
/// them does not exist.
std::vector<double> jackknife(int64_t images, const ImageStatistic& statistic) {
  std::vector<int64_t> counts(static_cast<size_t>(images), 1);
  std::vector<double> values;
  for (int64_t& count : counts) {
    count = 0;
    values.push_back(statistic(counts));
    count = 1;
  }
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(images);
  for (double& value : values) value = mean - value;
  return values;
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

/// Phi^-1 of the share of values below `middle`. One that differs by a rounding error is a tie. The share stays half a
/// resample away from 0 and 1.
double bias_correction(const std::vector<double>& values, double middle, double rounding) {
  const auto below = std::lower_bound(values.begin(), values.end(), middle - rounding);
  const auto above = std::upper_bound(below, values.end(), middle + rounding);
  const auto count = static_cast<double>(values.size());
  const double share = static_cast<double>(below - values.begin()) + static_cast<double>(above - below) / 2;
  return normal_quantile(std::clamp(share, 0.5, count - 0.5) / count);
}

/// 0 where nothing deviates.
double acceleration(const std::vector<double>& deviations) {
  double squares = 0, cubes = 0;
  for (const double d : deviations) {
    squares += d * d;
    cubes += d * d * d;
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
}

/// The level at which the quantile is read where an uncorrected interval reads that of Phi(z).
double corrected_level(double z, double bias, double acceleration) {
  const double moved = bias + z, slope = 1 - acceleration * moved;
  if (slope <= 0) return moved > 0 ? 1 : 0;  // beyond the end of every distribution
  return normal_cdf(bias + moved / slope);
}

}  // namespace

Aggregate bootstrap_mean(std::span<const double> scores, const BootstrapOptions& options) {
  check(options);
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
  const double bias = bias_correction(means, 0, 1e-12), a = acceleration(values);
  const double z = normal_quantile((1 + options.level) / 2);
  result.low = result.mean + spread * quantile(means, corrected_level(-z, bias, a));
  result.high = result.mean + spread * quantile(means, corrected_level(z, bias, a));
  return result;
}

BootstrapInterval bootstrap_statistic(int64_t images, const ImageStatistic& statistic,
                                      const BootstrapOptions& options) {
  check(options);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), kMostMissing = 0.05, kRounding = 1e-12;
  const auto none = [](const std::string& reason) { return BootstrapInterval{nan, nan, reason}; };
  if (images < 2) return none(std::to_string(images) + " images: there is nothing to resample");
  const double value = statistic(std::vector<int64_t>(static_cast<size_t>(images), 1));
  if (!std::isfinite(value)) return none("the statistic has no value");
  const std::vector<double> values = resampled(images, statistic, options), deviations = jackknife(images, statistic);
  const auto missing = options.resamples - static_cast<int64_t>(values.size());
  if (static_cast<double>(missing) > kMostMissing * static_cast<double>(options.resamples))
    return none("the statistic has no value for " + std::to_string(missing) + " of " +
                std::to_string(options.resamples) + " resamples");
  if (!std::all_of(deviations.begin(), deviations.end(), [](double d) { return std::isfinite(d); }))
    return none("one image alone decides whether the statistic has a value");
  const double rounding = kRounding * std::max(std::abs(value), values.back() - values.front());
  const double bias = bias_correction(values, value, rounding), a = acceleration(deviations);
  const double z = normal_quantile((1 + options.level) / 2);
  return {quantile(values, corrected_level(-z, bias, a)), quantile(values, corrected_level(z, bias, a)), ""};
}

}  // namespace vitrail
