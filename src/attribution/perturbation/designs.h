#pragma once

// Designs: where in the unit cube a sampling method looks.
//
// A design is a set of N points of [0,1)^d, float64 [N,d]. Every point alone is uniform; the samplers
// differ in how evenly the points cover the cube together:
//
//   monte_carlo   independent points. Error of a mean ~ N^-1/2.
//   lhs           Latin hypercube: every coordinate visits each of the N intervals [k/N,(k+1)/N) once, in
//                 an order that is random and independent between coordinates (McKay, Beckman, Conover
//                 1979). Removes the error of the additive part of a function; any N; good from N = 2.
//   owen          Sobol' sequence (direction numbers of Joe and Kuo, up to 21201 dimensions) under Owen's
//                 nested uniform scrambling: the k-th binary digit of a coordinate is flipped by a random
//                 bit that depends on the k-1 digits before it (Owen 1995). Keeps the net, removes the
//                 bias; error of a mean of a smooth function ~ N^-3/2. N must be a power of two and the
//                 first point belongs to the net: it is never skipped (Owen, arXiv 2008.08051).
//   halton        radical inverses in the first d primes, every digit position under a random permutation of its
//                 own. Worse than independent points in 20 and more dimensions at small N.
//   sobol         the plain Sobol' sequence, as implementations draw it that do not scramble: the origin comes first,
//   and
//                 there is no second replicate.
//
// Points are a function of (seed, replicate) alone: two replicates are independent randomisations, and
// batch size or thread count cannot reach them.

#include <vitrail/perturbation.h>

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// Throws UsageError for numbers that the sampler has no designs for.
void check_design(Sampler sampler, int64_t points, int64_t replicates = 1);

/// float64 [points,dimensions]. Checks the size.
Tensor draw_design(Sampler sampler, int64_t points, int64_t dimensions, uint64_t seed, uint64_t replicate);

/// The first `points` points of the plain Sobol' sequence as 30-bit integers, int64 [points,dimensions], in
/// natural order. The origin comes first.
Tensor sobol_sequence(int64_t points, int64_t dimensions);

constexpr int sobol_digits = 30;  ///< binary digits of a coordinate of sobol_sequence()

}  // namespace vitrail
