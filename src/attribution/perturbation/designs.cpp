#include "attribution/perturbation/designs.h"

#include <ATen/ops/_sobol_engine_initialize_state.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "attribution/random.h"

namespace vitrail {

namespace {

constexpr int64_t sobol_max_dimensions = 21201;

/// Numbers of one coordinate of one replicate. Coordinates are told apart by the low half of the index.
Random coordinate_random(uint64_t seed, uint64_t replicate, int64_t coordinate) {
  return Random(seed, RandomStream::design, replicate << 32 | static_cast<uint64_t>(coordinate));
}

void fill_monte_carlo(Random random, double* column, int64_t points, int64_t stride) {
  for (int64_t n = 0; n < points; ++n) column[n * stride] = random.uniform();
}

void fill_latin_hypercube(Random random, double* column, int64_t points, int64_t stride) {
  std::vector<int64_t> interval(static_cast<size_t>(points));
  std::iota(interval.begin(), interval.end(), 0);
  for (int64_t n = 0; n < points; ++n) {  // Fisher-Yates
    const int64_t other = n + static_cast<int64_t>(random.uniform() * static_cast<double>(points - n));
    std::swap(interval[static_cast<size_t>(n)], interval[static_cast<size_t>(other)]);
    column[n * stride] =
        (static_cast<double>(interval[static_cast<size_t>(n)]) + random.uniform()) / static_cast<double>(points);
  }
}

/// The k-th prime number, from 2.
int64_t prime(int64_t k) {
  std::vector<int64_t> primes = {2};
  for (int64_t candidate = 3; static_cast<int64_t>(primes.size()) <= k; candidate += 2)
    if (std::none_of(primes.begin(), primes.end(), [&](int64_t p) { return candidate % p == 0; }))
      primes.push_back(candidate);
  return primes.back();
}

/// 0 .. size - 1 in random order (Fisher and Yates).
std::vector<int64_t> shuffled(Random& random, int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t n = 0; n < size; ++n) {
    const int64_t other = n + static_cast<int64_t>(random.uniform() * static_cast<double>(size - n));
    std::swap(order[static_cast<size_t>(n)], order[static_cast<size_t>(other)]);
  }
  return order;
}

/// Digits below those of the largest index are random: permuted zeros.
void fill_halton(Random random, double* column, int64_t points, int64_t stride, int64_t base) {
  double place = 1;
  for (int64_t n = 0; n < points; ++n) column[n * stride] = 0;
  for (int64_t power = 1; power < points; power *= base) {
    const std::vector<int64_t> digit = shuffled(random, base);
    place /= static_cast<double>(base);
    for (int64_t n = 0; n < points; ++n)
      column[n * stride] += place * static_cast<double>(digit[static_cast<size_t>(n / power % base)]);
  }
  for (int64_t n = 0; n < points; ++n) column[n * stride] += place * random.uniform();
}

/// Nested uniform scrambling. The digits of `value` lead from the root of a binary tree to a leaf; every
/// node holds a random bit that flips the digit chosen there. Nodes are numbered as in a heap (root 1,
/// children 2v and 2v+1) and the number is the place in the random stream, so the tree is never stored.
double scramble(const Random& random, int64_t value) {
  int64_t scrambled = 0;
  uint64_t node = 1;
  for (int digit = sobol_digits - 1; digit >= 0; --digit) {
    const int64_t bit = value >> digit & 1;
    scrambled = scrambled << 1 | (bit ^ static_cast<int64_t>(random.at(node) & 1));
    node = node << 1 | static_cast<uint64_t>(bit);
  }
  const double digits_below = random.uniform_at(node);  // all further digits are random
  return std::ldexp(static_cast<double>(scrambled) + digits_below, -sobol_digits);
}

}  // namespace

Tensor sobol_sequence(int64_t points, int64_t dimensions) {
  if (dimensions > sobol_max_dimensions)
    throw UsageError("a Sobol' sequence of " + std::to_string(dimensions) +
                     " dimensions was asked for; direction numbers end at " + std::to_string(sobol_max_dimensions) +
                     ". Use a coarser grid or sampler=lhs.");
  VITRAIL_CHECK(points <= int64_t{1} << sobol_digits, "more points than the sequence has");
  Tensor directions = at::zeros({dimensions, sobol_digits}, at::kLong);
  at::_sobol_engine_initialize_state_(directions, dimensions);
  const Tensor sequence = at::zeros({points, dimensions}, at::kLong);
  // Point n is the exclusive or of the directions of its binary digits: point n without its highest digit, and one
  // more.
  for (int64_t n = 1; n < points; ++n) {
    const int digit = std::bit_width(static_cast<uint64_t>(n)) - 1;
    sequence[n].copy_(sequence[n - (int64_t{1} << digit)].bitwise_xor(directions.select(1, digit)));
  }
  return sequence;
}

void check_design(Sampler sampler, int64_t points, int64_t replicates) {
  if (sampler == Sampler::sobol && replicates > 1)
    throw UsageError("sampler=sobol is one fixed sequence and has no second replicate; found replicates=" +
                     std::to_string(replicates) + ". Use replicates=1, or sampler=owen.");
  if (sampler == Sampler::owen && !std::has_single_bit(static_cast<uint64_t>(points)))
    throw UsageError("sampler=owen needs a power of two of points, got " + std::to_string(points) + ". Use " +
                     std::to_string(std::bit_floor(static_cast<uint64_t>(points))) + " or " +
                     std::to_string(std::bit_ceil(static_cast<uint64_t>(points))) + ", or sampler=lhs.");
}

Tensor draw_design(Sampler sampler, int64_t points, int64_t dimensions, uint64_t seed, uint64_t replicate) {
  check_design(sampler, points);
  const bool is_sobol = sampler == Sampler::owen || sampler == Sampler::sobol;
  const Tensor sequence = is_sobol ? sobol_sequence(points, dimensions) : Tensor();
  const Tensor design = at::empty({points, dimensions}, at::kDouble);
  for (int64_t coordinate = 0; coordinate < dimensions; ++coordinate) {
    const Random random = coordinate_random(seed, replicate, coordinate);
    double* column = design.data_ptr<double>() + coordinate;
    switch (sampler) {
      case Sampler::monte_carlo:
        fill_monte_carlo(random, column, points, dimensions);
        break;
      case Sampler::lhs:
        fill_latin_hypercube(random, column, points, dimensions);
        break;
      case Sampler::halton:
        fill_halton(random, column, points, dimensions, prime(coordinate));
        break;
      case Sampler::sobol:
        for (int64_t n = 0; n < points; ++n)
          column[n * dimensions] =
              std::ldexp(static_cast<double>(sequence.data_ptr<int64_t>()[n * dimensions + coordinate]), -sobol_digits);
        break;
      case Sampler::owen:
        for (int64_t n = 0; n < points; ++n)
          column[n * dimensions] = scramble(random, sequence.data_ptr<int64_t>()[n * dimensions + coordinate]);
    }
  }
  return design;
}

}  // namespace vitrail
