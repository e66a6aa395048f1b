#pragma once

// Linear regression from running sums, and how sure it is: what the methods share that read importance off as the
// coefficients of a linear model of the score (`lime`, `kernel_shap`, `rise` and `hsic` with their regression
// read-outs).
//
// Rows (u, x, y) come in any number; what is kept is their matrix of second moments, whose size does not depend on it.
// It is kept apart for up to 20 groups of rows (unit i belongs to group i modulo 20; a unit is a row, or rows that
// depend on each other), so that fits without one group cost no second pass over the samples. They give
//
//   the error      the jackknife's, sqrt( (G - 1) / G  sum_g (b_g - mean b)^2 ) with b_g the coefficients without group
//                  g (Student t with G - 1 degrees of freedom). It asks nothing of the residuals, which on a network
//                  are mostly interactions that the linear model does not know;
//   the ridge      b = argmin sum w (y - u a - x b)^2 + lambda |b|^2 with the lambda of least squared error on the
//                  groups left out. (Leave-one-out and generalised cross-validation fail where there are hardly
//                  more rows than coefficients.) The jackknife does not hold the bias of shrinking;
//                  `shrinkage_factor` adds it:
//
// along an axis on which x has the moment s, sampling moves b by a variance of sigma^2 s / (s + lambda)^2. A lambda of
// least error stands for coefficients of mean square sigma^2 / lambda; then sampling and bias together are off by
// sigma^2 / (s + lambda) in the mean square. Intervals of that width hold at their level the mean over the
// coefficients, small ones more often and large ones less (Wahba, Bayesian "Confidence Intervals" ..., JRSS B 45, 1983;
// Nychka, Bayesian Confidence Intervals for Smoothing Splines, JASA 83, 1988).
//
// The columns u are not penalised and their coefficients a are of no interest: 1 for an intercept, or what else
// explains y beside x.

#include <vitrail/tensor.h>

#include <cstdint>
#include <optional>

#include "attribution/perturbation/estimators.h"

namespace vitrail {

struct RegressionFit {
  Tensor coefficients;       ///< b, float64 [p,T]
  Tensor without;            ///< float64 [G,p,T]: the same without each group
  Tensor nuisances;          ///< a, float64 [m,T]
  Tensor nuisances_without;  ///< float64 [G,m,T]
  Tensor explained;          ///< float64 [T]: share of what u leaves of y that x explains
  Tensor axes, moments;      ///< float64 [p,p], [p]: of what u leaves of x'x the eigenvectors, in columns, and -values
  Tensor ridge;              ///< float64 [T]: lambda
};

/// What an error by the jackknife of linear functions L b is to be multiplied with to hold the bias of a ridge that was
/// chosen, [q,T] from `axes` = L fit.axes [q,p]; 1 without a ridge.
Tensor shrinkage_factor(const RegressionFit& fit, const Tensor& axes);

class RegressionSums {
 public:
  static constexpr int64_t groups = 20;  ///< at most

  /// UsageError for more than 1024 features: the matrices would not fit.
  RegressionSums(int64_t nuisances, int64_t features, int64_t targets, int64_t rows_a_unit = 1);

  /// Rows u [n,m], x [n,p] and y [n,T]; `weights` [n], undefined: 1. Rows of which a y is not finite are left out and
  /// counted.
  void add(const Tensor& u, const Tensor& x, const Tensor& y, const Tensor& weights = {});

  int64_t rows() const { return rows_; }
  int64_t left_out() const { return left_out_; }
  int64_t units() const { return (rows_ + left_out_ + rows_a_unit_ - 1) / rows_a_unit_; }
  double weight() const { return weight_; }  ///< sum of the weights
  double effective_rows() const;             ///< (sum of weights)^2 / sum of their squares

  /// Of two rows or more. `ridge`: lambda; nothing: chosen for every target.
  RegressionFit fit(std::optional<double> ridge = {}) const;

 private:
  int64_t nuisances_, features_, targets_, rows_a_unit_, rows_ = 0, left_out_ = 0;
  double weight_ = 0, squared_weights_ = 0;
  Tensor moments_;  // float64 [G,q,q] of rows (u, x, y)
};

}  // namespace vitrail
