#pragma once

// The mean of a score over images, with a bootstrap interval: how much would it move with other images?
//
// The images are drawn again with replacement, B times; the spread of the means of these resamples is that of the mean.
// Plain percentiles of them are off where scores are skewed; BCa (bias-corrected and accelerated) corrects the levels:
//
//   ends of the interval: the quantiles a_low, a_high of the resampled means
//   a_low  = Phi(z0 + (z0 - z) / (1 - a (z0 - z)))          z = the normal quantile of 1 - (1 - level) / 2
//   a_high = Phi(z0 + (z0 + z) / (1 - a (z0 + z)))
//   z0 = Phi^-1(share of resampled means below the mean, ties counting half)
//   a  = sum d^3 / (6 (sum d^2)^(3/2)),   d = score - mean    the jackknife's acceleration, for a mean
//
// Quantiles are interpolated between order statistics. All lists of the same length are resampled alike, so that the
// intervals of methods and metrics over the same images go together.
//
// The same for any other statistic t of the images (bootstrap_statistic), with the jackknife in full:
//
//   z0 = Phi^-1(share of resampled t below t),   a from d = mean over i of t_(i), minus t_(i);   t_(i): without image i
//
// Scores that are not finite are left out and counted. One score has a mean and no interval. Scores that are all equal
// have an interval of width 0: no resample differs.
//
// Cost        B resamples, and of a statistic one call for each of them and for each image.
// Source      Efron, Better Bootstrap Confidence Intervals, 1987; Efron, Tibshirani, An Introduction to the Bootstrap,
//             1993, chapter 14.

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace vitrail {

struct BootstrapOptions {
  int64_t resamples = 2000;
  double level = 0.95;
  uint64_t seed = 0;
};

struct Aggregate {
  double mean = 0, low = 0, high = 0;  ///< NaN where they do not exist
  int64_t n = 0;                       ///< scores that count
  int64_t undefined = 0;               ///< scores that are not finite
  std::string reason = {};             ///< why a number is NaN
};

Aggregate bootstrap_mean(std::span<const double> scores, const BootstrapOptions& options = {});

struct BootstrapInterval {
  double low = 0, high = 0;  ///< NaN where they do not exist
  std::string reason = {};   ///< why not
};

/// A statistic of a sample of images: given how often each image is in it. NaN where it has no value.
using ImageStatistic = std::function<double(std::span<const int64_t> counts)>;

/// Its interval over `images` images. Resamples without a value are left out; where they are more than one in twenty,
/// or one image alone decides whether there is a value, there is no interval.
BootstrapInterval bootstrap_statistic(int64_t images, const ImageStatistic& statistic,
                                      const BootstrapOptions& options = {});

}  // namespace vitrail
