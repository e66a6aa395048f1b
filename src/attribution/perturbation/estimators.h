#pragma once

// Estimators of sensitivity from a pick-freeze design.
//
// Y = g(M) with M uniform in the unit cube. A and B are two independent points, C_i is A with coordinate i taken from
// B. The total-order index of coordinate i, ST_i = E[ Var(Y | all but M_i) ] / Var(Y), is the share of the variance
// that disappears when everything but M_i is fixed: its own effect and every interaction it takes part in. The
// first-order index, S_i = Var(E[Y | M_i]) / Var(Y), is its own effect alone. With f0 the mean and V the variance of
// y_A:
//
//   jansen        ST_i = mean (y_A - y_Ci)^2 / (2 V)
//   janon         ST_i = 1 - (mean y_A y_Ci - f0_i^2) / V_i, mean and variance over y_A and y_Ci together
//   glen_isaacs   ST_i = 1 - correlation of y_A and y_Ci
//   homma         ST_i = 1 - (mean y_A y_Ci - f0^2) / V; the same expression as Saltelli's; needs many points
//   first_order   S_i  = mean y_B (y_Ci - y_A) / V, the one that needs y_B (Saltelli et al. 2010)
//
// jansen's numerator is unbiased, never negative, and needs no mean to be subtracted.

#include <vitrail/sobol.h>
#include <vitrail/tensor.h>

#include <vector>

namespace vitrail {

/// Scores of one pick-freeze design of N points in d dimensions, for T outputs, float64.
struct PickFreezeScores {
  Tensor y_a;       ///< [N,T]
  Tensor y_c;       ///< [N,d,T]
  Tensor y_b = {};  ///< [N,T]; undefined where nobody asked
};

/// A value a cell and target with its standard error, float64 [d,T].
struct CellEstimate {
  Tensor value;
  Tensor standard_error;
  Tensor is_constant = {};  ///< bool [T]: the output does not vary; its values are zero
};

/// Zeros: before anything is sampled.
CellEstimate nothing_known(int64_t cells, int64_t targets);

/// Indices from R independent replicates of a design, all of one size, at least two points together.
///
/// Means are taken over all points of all replicates before they are divided: a mean of R ratios would keep
/// the bias of one small design (E[1/V] > 1/E[V], four fifths too much on a real network with N = 8).
/// jansen's standard error is that of a ratio of means over independent units (delta method): with J_r and
/// V_r the means within unit r, the standard deviation of J_r - ST V_r over sqrt(R), divided by V. That of the others
/// is the jackknife's, leaving out a unit at a time. Units are the replicates, which holds for any sampler (Student t
/// with R - 1 degrees of freedom); of a single replicate they are its points.
///
/// An output whose standard deviation is below 1e-6 of its largest magnitude is rounding noise and
/// counts as constant.
CellEstimate estimate_indices(IndexEstimator estimator, const std::vector<PickFreezeScores>& replicates);

/// sqrt(mean (y_A - y_Ci)^2) over all points; the error by the delta method over the same units.
CellEstimate root_mean_square_change(const std::vector<PickFreezeScores>& replicates);

/// Mean and standard error of independent units [R,d,T]; the error of one unit is zero.
CellEstimate mean_of_units(const Tensor& units);

/// The jackknife's standard error of a statistic, from its values without each of G independent units, [G,...].
Tensor jackknife_error(const Tensor& without);

}  // namespace vitrail
