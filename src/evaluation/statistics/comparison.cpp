#include <vitrail/error.h>
#include <vitrail/statistics.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "attribution/random.h"
#include "base/ranks.h"

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostEnumerated = 14;
constexpr int64_t kDraws = 10000;

/// Sums that differ by rounding alone count as equal.
bool reaches(double sum, double observed) { return sum >= observed - 1e-12 * std::abs(observed); }

}  // namespace

double sign_flip_p(std::span<const double> differences, uint64_t seed) {
  const double observed = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  if (std::all_of(differences.begin(), differences.end(), [](double d) { return d == 0; })) return 1;
  const auto sum_with = [&](const auto& is_flipped) {
    double sum = 0;
    for (size_t i = 0; i < differences.size(); ++i) sum += is_flipped(i) ? -differences[i] : differences[i];
    return std::abs(sum);
  };
  int64_t as_far = 0;
  if (differences.size() <= kMostEnumerated) {
    const uint64_t all = uint64_t{1} << differences.size();
    for (uint64_t signs = 0; signs < all; ++signs)
      as_far += reaches(sum_with([&](size_t i) { return (signs >> i & 1) != 0; }), observed);
    return static_cast<double>(as_far) / static_cast<double>(all);
  }
  for (int64_t draw = 1; draw < kDraws; ++draw) {
    const Random random(seed, RandomStream::signs, static_cast<uint64_t>(draw));
    as_far += reaches(sum_with([&](size_t i) { return (random.at(i) & 1) != 0; }), observed);
  }
  return static_cast<double>(as_far + 1) / kDraws;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.begin(), p.end());
  double largest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    largest = std::max(largest, std::min(1.0, p[order[k]] * static_cast<double>(order.size() - k)));
    adjusted[order[k]] = largest;
  }
  return adjusted;
}

PairedComparison compare_paired(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options) {
  if (a.size() != b.size())
    throw UsageError("paired scores are of the same photos; found " + std::to_string(a.size()) + " and " +
                     std::to_string(b.size()) + ".");
  std::vector<double> all, known;
  double wins = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    all.push_back(a[i] - b[i]);
    if (std::isnan(all.back())) continue;
    known.push_back(all.back());
    wins += a[i] > b[i] ? 1 : a[i] == b[i] ? 0.5 : 0;
  }
  PairedComparison comparison{bootstrap_mean(all, options), kNaN, kNaN, kNaN};
  if (known.empty()) return comparison;
  const auto n = static_cast<double>(known.size());
  comparison.share = wins / n;
  comparison.p = sign_flip_p(known, options.seed);
  if (known.size() < 2) return comparison;
  double squares = 0;
  for (const double d : known) squares += (d - comparison.difference.mean) * (d - comparison.difference.mean);
  const double deviation = std::sqrt(squares / (n - 1));
  comparison.effect = deviation > 0 ? comparison.difference.mean / deviation : kNaN;
  return comparison;
}

namespace {

/// W of ranks, corrected for ties; NaN where all ranks of all judges are tied.
double concordance_of(const std::vector<std::vector<double>>& ranks) {
  const auto judges = static_cast<double>(ranks.size()), items = static_cast<double>(ranks[0].size());
  double squares = 0, tied = 0;
  for (size_t i = 0; i < ranks[0].size(); ++i) {
    double sum = 0;
    for (const auto& judge : ranks) sum += judge[i];
    const double d = sum - judges * (items + 1) / 2;
    squares += d * d;
  }
  for (const auto& judge : ranks)
    for (const double rank : judge) {
      const auto equal = static_cast<double>(std::count(judge.begin(), judge.end(), rank));
      tied += equal * equal - 1;  // a group of t adds t (t^2 - 1)
    }
  const double most = judges * judges * (items * items * items - items) - judges * tied;
  return most > 0 ? 12 * squares / most : kNaN;
}

}  // namespace

Concordance kendall_w(const std::vector<std::vector<double>>& scores, uint64_t seed) {
  if (scores.size() < 2 || scores[0].size() < 2) return {kNaN, kNaN};
  std::vector<std::vector<double>> ranks;
  for (const auto& judge : scores) {
    if (judge.size() != scores[0].size()) throw UsageError("judges of the same items have as many scores.");
    ranks.push_back(ranks_of(judge));
  }
  Concordance result{concordance_of(ranks), kNaN};
  if (std::isnan(result.w)) return result;
  int64_t as_much = 1;
  for (int64_t draw = 1; draw < kDraws; ++draw) {
    Random random(seed, RandomStream::signs, static_cast<uint64_t>(draw));
    auto shuffled = ranks;
    for (auto& judge : shuffled)
      for (size_t i = judge.size() - 1; i > 0; --i)
        std::swap(judge[i], judge[static_cast<size_t>(random.uniform() * static_cast<double>(i + 1))]);
    as_much += reaches(concordance_of(shuffled), result.w);
  }
  result.p = static_cast<double>(as_much) / kDraws;
  return result;
}

}  // namespace vitrail
