#include <vitrail/concordance.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "attribution/random.h"
#include "base/ranks.h"

namespace vitrail {

namespace {

using Rankings = std::vector<std::vector<double>>;

constexpr uint64_t kOrders = 10000;

std::vector<double> rank_sums(const Rankings& rankings) {
  std::vector<double> sums(rankings.front().size(), 0);
  for (const auto& ranks : rankings)
    for (size_t i = 0; i < ranks.size(); ++i) sums[i] += ranks[i];
  return sums;
}

/// sum of (R_i - mean R)^2; exact, for ranks are halves.
double variation(const Rankings& rankings) {
  const double methods = static_cast<double>(rankings.front().size());
  const double mean = static_cast<double>(rankings.size()) * (methods + 1) / 2;
  double sum = 0;
  for (const double r : rank_sums(rankings)) sum += (r - mean) * (r - mean);
  return sum;
}

/// The variation of metrics that agree, with the ties that these have: W's denominator over 12.
double largest_variation(const Rankings& rankings) {
  const auto m = static_cast<double>(rankings.size()), k = static_cast<double>(rankings.front().size());
  double ties = 0;
  for (const auto& ranks : rankings) {
    std::map<double, double> groups;
    for (const double rank : ranks) ++groups[rank];
    for (const auto& [rank, t] : groups) ties += t * t * t - t;
  }
  return (m * m * (k * k * k - k) - m * ties) / 12;
}

double permutation_p(Rankings rankings, uint64_t seed) {
  const double observed = variation(rankings);
  uint64_t extreme = 1;  // the observed order
  for (uint64_t order = 1; order < kOrders; ++order) {
    Random random(seed, RandomStream::permutation, order);
    for (auto ranks = rankings.begin() + 1; ranks != rankings.end(); ++ranks)  // the first may stay
      for (size_t i = ranks->size(); i > 1; --i)
        std::swap((*ranks)[i - 1], (*ranks)[static_cast<size_t>(random.uniform() * static_cast<double>(i))]);
    extreme += variation(rankings) >= observed;
  }
  return static_cast<double>(extreme) / kOrders;
}

}  // namespace

Concordance concordance(const std::vector<std::vector<double>>& values, uint64_t seed) {
  Rankings rankings;
  Concordance result{.w = std::numeric_limits<double>::quiet_NaN(), .p = std::numeric_limits<double>::quiet_NaN()};
  for (const auto& list : values) {
    if (list.size() != values.front().size())
      throw UsageError("Concordance: every metric ranks the same methods: found lists of " +
                       std::to_string(values.front().size()) + " and of " + std::to_string(list.size()) +
                       " values; give NaN where a method has none.");
    if (std::any_of(list.begin(), list.end(), [](double value) { return std::isnan(value); }))
      ++result.undefined;
    else
      rankings.push_back(ranks_of(list));
  }
  result.metrics = static_cast<int64_t>(rankings.size());
  if (!rankings.empty()) result.mean_ranks = rank_sums(rankings);
  for (double& rank : result.mean_ranks) rank /= static_cast<double>(result.metrics);
  if (result.metrics < 2) {
    result.reason = "fewer than two metrics have a value for every method: there is nothing to agree on";
    return result;
  }
  const double largest = largest_variation(rankings);
  if (!(largest > 0)) {
    result.reason = "no metric puts one method before another";
    return result;
  }
  result.w = variation(rankings) / largest;
  result.p = permutation_p(std::move(rankings), seed);
  return result;
}

}  // namespace vitrail
