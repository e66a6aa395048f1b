#include "evaluation/statistics/sign_flip.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "attribution/random.h"

namespace vitrail {

namespace {

constexpr size_t kExact = 14;
constexpr uint64_t kPatterns = 10000;

/// The sum in which bit i of the pattern turns difference i. `word(k)`: bits 64 k to 64 k + 63.
template <class Word>
double turned_sum(std::span<const double> differences, const Word& word) {
  double sum = 0;
  uint64_t bits = 0;
  for (size_t i = 0; i < differences.size(); ++i, bits >>= 1) {
    if (i % 64 == 0) bits = word(i / 64);
    sum += bits & 1 ? -differences[i] : differences[i];
  }
  return sum;
}

}  // namespace

double sign_flip_p(std::span<const double> differences, uint64_t seed) {
  if (differences.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double size = std::accumulate(differences.begin(), differences.end(), 0.0,
                                      [](double sum, double d) { return sum + std::abs(d); });
  const double observed = turned_sum(differences, [](uint64_t) { return uint64_t{0}; });
  const double bound = std::abs(observed) - 1e-12 * size;  // sums that differ by rounding are ties
  const bool exact = differences.size() <= kExact;
  const uint64_t patterns = exact ? uint64_t{1} << differences.size() : kPatterns;
  uint64_t extreme = 1;  // the observed one
  for (uint64_t pattern = 1; pattern < patterns; ++pattern) {
    const Random random(seed, RandomStream::permutation, pattern);
    const double sum = turned_sum(differences, [&](uint64_t k) { return exact ? pattern : random.at(k); });
    extreme += std::abs(sum) >= bound;
  }
  return static_cast<double>(extreme) / static_cast<double>(patterns);
}

}  // namespace vitrail
