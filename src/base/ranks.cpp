#include "base/ranks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vitrail {

namespace {

/// Asked of the numbers themselves: the mean of equal numbers is rounded, and they would seem to vary.
bool is_constant(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
}

}  // namespace

std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t k = begin; k < end; ++k) ranks[order[k]] = (static_cast<double>(begin + end) + 1) / 2;
  }
  return ranks;
}

double correlation(std::span<const double> a, std::span<const double> b) {
  if (is_constant(a) || is_constant(b)) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  const double value = ab / std::sqrt(aa * bb);  // NaN where the squares are too small for a number
  return std::clamp(value, -1.0, 1.0);
}

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  return correlation(ranks_of(a), ranks_of(b));
}

}  // namespace vitrail
