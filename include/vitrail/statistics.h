#pragma once

// The statistics of an evaluation: how sure is a mean, and is a difference more than chance?
//
// Plain numbers in, plain numbers out. NaN stands for a score that does not exist: it is left out and counted. Every
// draw is a function of the seed: the same numbers give the same result.

#include <cstdint>
#include <span>
#include <vector>

namespace vitrail {

struct BootstrapOptions {
  double level = 0.95;
  int64_t resamples = 2000;
  uint64_t seed = 1;
};

struct MeanInterval {
  double mean = 0;           ///< NaN where there is no value
  double low = 0, high = 0;  ///< NaN of fewer than two values; both the mean where all values are equal
  int64_t n = 0;             ///< values
  int64_t undefined = 0;     ///< NaN among them, left out
};

/// The mean with its bootstrap interval, bias-corrected and accelerated (BCa). Of few or very skewed values it covers
/// somewhat less than its level.
/// Source: Efron, Better Bootstrap Confidence Intervals, JASA 82, 1987.
MeanInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options = {});

/// P that a mean so far from 0 comes from differences whose signs are chance: the sign-flip test, two-sided. All 2^n
/// signs of up to 14 differences, else 10,000 draws, the given signs among them. 1 where there is no difference but 0.
double sign_flip_p(std::span<const double> differences, uint64_t seed = 1);

/// p values of several tests, raised so that all tests below alpha together are wrong with a probability of alpha at
/// most. NaN stays and counts as no test.
/// Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
std::vector<double> holm(std::span<const double> p);

/// Two methods on the same photos.
struct PairedComparison {
  MeanInterval difference;  ///< of a - b, of the photos that have both
  double p = 0;             ///< sign_flip_p
  double effect = 0;        ///< Cohen's d of paired values: mean / standard deviation of a - b; NaN of fewer than two
  double share = 0;         ///< of photos with a > b; equal ones count half
};
PairedComparison compare_paired(std::span<const double> a, std::span<const double> b,
                                const BootstrapOptions& options = {});

/// Kendall's coefficient of concordance: how far `judges` agree about the order of the same items. 1: all alike; 0: no
/// more than chance. Equal scores share their mean rank, with the correction for ties.
struct Concordance {
  double w = 0;  ///< NaN of fewer than two judges or items, and where no judge tells items apart
  double p = 0;  ///< that judges with nothing in common agree as much, by 10,000 permutations
};
/// `scores` of each judge, all of the same items, larger is better.
Concordance kendall_w(const std::vector<std::vector<double>>& scores, uint64_t seed = 1);

}  // namespace vitrail
