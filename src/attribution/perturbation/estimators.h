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
//   ST_i ~ (1/N) sum_n J_n,  J_n = (y_A - y_Ci)^2 / 2,  divided by the unbiased variance of y_A.
//
// The numerator is unbiased, never negative, and needs no mean to be subtracted; y_B is not used.

#include <vitrail/tensor.h>

namespace vitrail {

/// Indices and their standard errors, float64 [d,T] for T outputs.
struct TotalOrder {
  Tensor index;
  Tensor standard_error;
  Tensor is_constant;  ///< bool [T]: the output does not vary; its indices are zero
};

/// Jansen's estimator. `y_a` is [N,T], `y_c` [N,d,T], float64, N >= 2. The standard error is that of a ratio
/// of means over N independent points (delta method): with ST = mean J / mean V, it is the
/// standard deviation of J_n - ST V_n over sqrt(N), divided by mean V.
///
/// An output whose standard deviation is below 1e-6 of its largest magnitude is rounding noise and
/// counts as constant.
TotalOrder jansen_total_order(const Tensor& y_a, const Tensor& y_c);

/// Combines R independent replicates of the same estimate: mean, and standard error s/sqrt(R), which holds
/// for any sampler (Student t with R-1 degrees of freedom). One replicate keeps its own standard error.
/// An output is constant only if it is so in every replicate.
TotalOrder combine_replicates(const std::vector<TotalOrder>& replicates);

}  // namespace vitrail
