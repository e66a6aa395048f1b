#pragma once

// Estimators of variance shares from a pick-freeze design.
//
// Y = g(M) with M uniform in the unit cube. A and B are two independent points, C_i is A with
// coordinate i taken from B. The total-order index of coordinate i,
//
//   ST_i = E[ Var(Y | all but M_i) ] / Var(Y),
//
// is the share of the variance that disappears when everything but M_i is fixed: its own effect and
// every interaction it takes part in. Jansen's estimator (1999) reads it off the squared differences:
//
//   ST_i ~ mean J / mean V,   J_n = (y_A - y_Ci)^2 / 2,   V_n = (y_A - mean y_A)^2 N / (N - 1).
//
// The numerator is unbiased, never negative, and needs no mean to be subtracted; y_B is not used.

#include <vitrail/tensor.h>

#include <vector>

namespace vitrail {

/// Scores of one pick-freeze design of N points in d dimensions, for T outputs, float64.
struct PickFreezeScores {
  Tensor y_a;  ///< [N,T]
  Tensor y_c;  ///< [N,d,T]
};

/// Indices and their standard errors, float64 [d,T].
struct TotalOrder {
  Tensor index;
  Tensor standard_error;
  Tensor is_constant;  ///< bool [T]: the output does not vary; its indices are zero
};

/// Jansen's estimator from R independent replicates of a design, all of one size, at least two points together.
///
/// Means are taken over all points of all replicates before they are divided: a mean of R ratios would keep
/// the bias of one small design (E[1/V] > 1/E[V], four fifths too much on a real network with N = 8).
/// The standard error is that of a ratio of means over independent units (delta method): with J_r and
/// V_r the means within unit r, the standard deviation of J_r - ST V_r over sqrt(R), divided by V. Units are the
/// replicates, which holds for any sampler (Student t with R - 1 degrees of freedom); of a single
/// replicate they are its points.
///
/// An output whose standard deviation is below 1e-6 of its largest magnitude is rounding noise and
/// counts as constant.
TotalOrder jansen_total_order(const std::vector<PickFreezeScores>& replicates);

}  // namespace vitrail
