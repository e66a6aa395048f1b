#pragma once

// Gauss-Legendre quadrature on [0,1]: sum_i w_i f(a_i) is the integral of every polynomial f of degree up to
// 2n - 1.

#include <cstdint>
#include <vector>

namespace vitrail {

struct Quadrature {
  std::vector<double> nodes;    ///< in (0,1), increasing, symmetric about 1/2
  std::vector<double> weights;  ///< positive; they add up to 1
};

/// The n-point rule, n >= 1. The nodes are the roots of the Legendre polynomial P_n, found by Newton's iteration
/// to double precision. Cost O(n^2).
Quadrature gauss_legendre(int64_t n);

}  // namespace vitrail
