#include <vitrail/paired_comparison.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/ranks.h"
#include "evaluation/statistics/sign_flip.h"

namespace vitrail {

namespace {

/// Of every image on which both methods have a score.
std::vector<double> finite(std::span<const double> differences) {
  std::vector<double> kept;
  std::copy_if(differences.begin(), differences.end(), std::back_inserter(kept),
               [](double d) { return std::isfinite(d); });
  return kept;
}

/// The rank of |d| among the differences that are not 0, with the sign of d.
std::vector<double> signed_ranks(std::vector<double> differences) {
  std::erase(differences, 0.0);
  std::vector<double> sizes = differences;
  for (double& size : sizes) size = std::abs(size);
  std::vector<double> ranks = ranks_of(sizes);
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = std::copysign(ranks[i], differences[i]);
  return ranks;
}

double effect_size(std::span<const double> differences, double mean) {
  const auto [smallest, largest] = std::minmax_element(differences.begin(), differences.end());
  if (smallest == differences.end() || *smallest == *largest) return std::numeric_limits<double>::quiet_NaN();
  const double squares = std::accumulate(differences.begin(), differences.end(), 0.0,
                                         [&](double sum, double d) { return sum + (d - mean) * (d - mean); });
  return mean / std::sqrt(squares / static_cast<double>(differences.size() - 1));
}

double share_above(std::span<const double> values) {
  double above = 0;
  for (const double value : values) above += value > 0 ? 1.0 : value == 0 ? 0.5 : 0.0;
  return above / static_cast<double>(values.size());
}

PairedComparison compare(std::span<const double> a, std::span<const double> b, Direction direction,
                         const BootstrapOptions& options) {
  std::vector<double> differences(a.begin(), a.end());
  for (size_t i = 0; i < b.size(); ++i) differences[i] -= b[i];
  PairedComparison result{.difference = bootstrap_mean(differences, options)};
  differences = finite(differences);
  const std::vector<double> ranks = signed_ranks(differences);
  result.p = sign_flip_p(differences, options.seed);
  result.p_wilcoxon = ranks.empty() ? result.p : sign_flip_p(ranks, options.seed);  // all differences are 0: p is 1
  result.effect = effect_size(differences, result.difference.mean);
  const double above = share_above(differences);
  result.share_better = direction == Direction::higher ? above : 1 - above;
  return result;
}

Verdict verdict_of(const PairedComparison& pair, Direction direction, double level) {
  const bool above = pair.difference.low > 0, below = pair.difference.high < 0;
  if (!(above || below) || !(pair.p_adjusted < 1 - level)) return Verdict::open;
  return above == (direction == Direction::higher) ? Verdict::first_better : Verdict::second_better;
}

}  // namespace

std::vector<PairedComparison> compare_methods(const std::vector<std::vector<double>>& scores, Direction direction,
                                              const BootstrapOptions& options) {
  for (const auto& list : scores)
    if (list.size() != scores.front().size())
      throw UsageError("Compared methods are scored on the same images: found lists of " +
                       std::to_string(scores.front().size()) + " and of " + std::to_string(list.size()) +
                       " scores; give NaN where a method has no score.");
  std::vector<PairedComparison> pairs;
  std::vector<double> p_values;
  for (size_t i = 0; i < scores.size(); ++i)
    for (size_t j = i + 1; j < scores.size(); ++j) {
      pairs.push_back(compare(scores[i], scores[j], direction, options));
      pairs.back().first = static_cast<int64_t>(i);
      pairs.back().second = static_cast<int64_t>(j);
      p_values.push_back(pairs.back().p);
    }
  const std::vector<double> adjusted = holm(p_values);
  for (size_t k = 0; k < pairs.size(); ++k) {
    pairs[k].p_adjusted = adjusted[k];
    pairs[k].verdict = verdict_of(pairs[k], direction, options.level);
  }
  return pairs;
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i)
    if (!std::isnan(p_values[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(p_values.begin(), p_values.end());
  double largest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    largest = std::max(largest, static_cast<double>(order.size() - k) * p_values[order[k]]);
    adjusted[order[k]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace vitrail
