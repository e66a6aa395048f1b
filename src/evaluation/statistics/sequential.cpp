#include <vitrail/error.h>
#include <vitrail/sequential.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>

#include "attribution/options.h"
#include "attribution/perturbation/student.h"

namespace vitrail {

namespace {

constexpr int64_t kFirstLook = 16;

void check(const std::vector<std::vector<double>>& scores, const SequentialOptions& options) {
  for (const auto& list : scores)
    if (list.size() != scores.front().size())
      throw UsageError("Sequential: methods are scored on the same images: found lists of " +
                       std::to_string(scores.front().size()) + " and of " + std::to_string(list.size()) +
                       " scores; give NaN where a method has no score.");
  if (!(options.alpha > 0 && options.alpha < 1))
    throw UsageError("Sequential: found alpha " + write_value(options.alpha) + ", expected one between 0 and 1.");
  if (!(options.margin >= 0))
    throw UsageError("Sequential: found margin " + write_value(options.margin) + ", expected at least 0.");
  int64_t before = 1;
  for (const int64_t look : options.looks) {
    if (look <= before)
      throw UsageError("Sequential: found a look at " + std::to_string(look) + " images after " +
                       std::to_string(before) + ", expected increasing numbers from 2 on.");
    before = look;
  }
}

/// Images at look `k`, from 1; 0 where there is none.
int64_t images_at(const SequentialOptions& options, int64_t k) {
  if (options.looks.empty()) return kFirstLook << (k - 1);
  return k <= static_cast<int64_t>(options.looks.size()) ? options.looks[static_cast<size_t>(k - 1)] : 0;
}

/// What the finite differences say at level 1 - `alpha`.
void look_at(std::vector<double> differences, double alpha, double margin, PairDecision& pair) {
  std::erase_if(differences, [](double d) { return !std::isfinite(d); });
  pair.low = pair.high = std::numeric_limits<double>::quiet_NaN();
  if (differences.empty()) return;
  const auto n = static_cast<double>(differences.size());
  const auto [smallest, largest] = std::minmax_element(differences.begin(), differences.end());
  if (*smallest == *largest) {
    if (*smallest != 0 && std::exp2(1 - n) <= alpha) pair.decision = Decision::different;
    return;
  }
  const double mean = std::accumulate(differences.begin(), differences.end(), 0.0) / n;
  const double squares = std::accumulate(differences.begin(), differences.end(), 0.0,
                                         [&](double sum, double d) { return sum + (d - mean) * (d - mean); });
  const double half = student_quantile(alpha, n - 1) * std::sqrt(squares / (n - 1) / n);
  pair.low = mean - half;
  pair.high = mean + half;
  if (pair.low > 0 || pair.high < 0)
    pair.decision = Decision::different;
  else if (-margin <= pair.low && pair.high <= margin)
    pair.decision = Decision::equivalent;
}

}  // namespace

double spent_alpha(double alpha, int64_t look) {
  const auto k = static_cast<double>(look);
  return alpha * 6 / (std::numbers::pi * std::numbers::pi * k * k);
}

SequentialResult decide_sequentially(const std::vector<std::vector<double>>& scores, const SequentialOptions& options) {
  check(scores, options);
  const auto methods = static_cast<int64_t>(scores.size());
  const int64_t images = scores.empty() ? 0 : static_cast<int64_t>(scores.front().size());
  SequentialResult result;
  for (int64_t i = 0; i < methods; ++i)
    for (int64_t j = i + 1; j < methods; ++j) result.pairs.push_back({.first = i, .second = j});
  const auto is_open = [](const PairDecision& pair) { return pair.decision == Decision::open; };
  int64_t k = 1;
  for (; images_at(options, k) > 0 && images_at(options, k) <= images; ++k) {
    const double alpha = spent_alpha(options.alpha, k) / static_cast<double>(result.pairs.size());
    for (PairDecision& pair : result.pairs) {
      if (!is_open(pair)) continue;
      pair.images = images_at(options, k);
      const auto &a = scores[static_cast<size_t>(pair.first)], &b = scores[static_cast<size_t>(pair.second)];
      std::vector<double> differences(a.begin(), a.begin() + pair.images);
      for (size_t image = 0; image < differences.size(); ++image) differences[image] -= b[image];
      look_at(std::move(differences), alpha, options.margin, pair);
    }
  }
  result.settled = std::none_of(result.pairs.begin(), result.pairs.end(), is_open);
  if (!result.settled) result.next_look = images_at(options, k);
  return result;
}

}  // namespace vitrail
