#pragma once

// Orders and correlations of lists of numbers, in double precision.

#include <span>
#include <vector>

namespace vitrail {

/// 1 .. n; equal values take the mean of their ranks.
std::vector<double> ranks_of(std::span<const double> values);

/// Pearson's; NaN where a list is constant.
double correlation(std::span<const double> a, std::span<const double> b);

/// Spearman's: the correlation of the ranks. NaN where a list is constant.
double rank_correlation(std::span<const double> a, std::span<const double> b);

}  // namespace vitrail
