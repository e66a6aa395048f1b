#pragma once

// Do metrics agree on which methods are better? Kendall's W: every one of m metrics ranks the k methods, and the sums
// of ranks R_i vary as much as they can where all agree.
//
//   W = 12 sum_i (R_i - mean R)^2 / (m^2 (k^3 - k) - m T),   T = sum over metrics and groups of t equal values of t^3 -
//   t
//
// 1: all metrics rank alike; about 1/m by chance. p: share of W at least as large when every metric's ranks are
// shuffled, from the observed order and 9999 drawn ones.
//
// Only the order of values counts, and larger must mean the same in every list: turn the sign of metrics whose lower
// end is good. Metrics with a NaN are left out and counted.
//
// Source      Kendall, Babington Smith, The Problem of m Rankings, 1939.

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct Concordance {
  double w = 0, p = 0;                  ///< NaN where they do not exist
  std::vector<double> mean_ranks = {};  ///< of each method; k for the largest values. Empty without metrics
  int64_t metrics = 0;                  ///< that count
  int64_t undefined = 0;                ///< that hold a NaN
  std::string reason = {};              ///< why W is NaN
};

/// `values`: one list a metric, one value a method.
Concordance concordance(const std::vector<std::vector<double>>& values, uint64_t seed = 0);

}  // namespace vitrail
