#include "attribution/perturbation/regression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

namespace vitrail {

namespace {

constexpr int64_t most_features = 1024;
constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude
constexpr double smallest = std::numeric_limits<double>::min();

/// B fits at once, from moments [B,q,q] of rows (u, x, y), in the eigenbasis of what u leaves of x'x.
class Fits {
 public:
  Fits(const Tensor& moments, int64_t nuisances, int64_t features)
      : nuisances_(nuisances), features_(features), moments_(moments) {
    const int64_t rest = moments.size(1) - nuisances;
    Tensor left = moments.narrow(1, nuisances, rest).narrow(2, nuisances, rest);
    if (nuisances > 0) {  // Frisch, Waugh and Lovell: u is projected out
      u_inverse_ = at::linalg_pinv(moments.narrow(1, 0, nuisances).narrow(2, 0, nuisances), 1e-12, /*hermitian=*/true);
      const Tensor across = moments.narrow(1, 0, nuisances).narrow(2, nuisances, rest);
      left = left - at::matmul(across.transpose(1, 2), at::matmul(u_inverse_, across));
    }
    xx_ = left.narrow(1, 0, features).narrow(2, 0, features);
    xy_ = left.narrow(1, 0, features).narrow(2, features, rest - features);
    yy_ = left.narrow(1, features, rest - features).narrow(2, features, rest - features).diagonal(0, 1, 2);
    std::tie(values_, vectors_) = at::linalg_eigh((xx_ + xx_.transpose(1, 2)) / 2);
    const Tensor known = values_ > values_.amax(1, true).clamp_min(smallest) * 1e-10;
    values_ = at::where(known, values_, values_.new_zeros({}));
    projections_ = at::where(known.unsqueeze(2), at::matmul(vectors_.transpose(1, 2), xy_), values_.new_zeros({}));
  }

  const Tensor& xx() const { return xx_; }            ///< [B,p,p]
  const Tensor& xy() const { return xy_; }            ///< [B,p,T]
  const Tensor& yy() const { return yy_; }            ///< [B,T]
  const Tensor& values() const { return values_; }    ///< [B,p]
  const Tensor& vectors() const { return vectors_; }  ///< [B,p,p]
  double mean_eigenvalue() const { return values_[0].mean().item<double>(); }

  /// b [B,p,T] for penalties `lambda`, a number or [T].
  Tensor solve(const Tensor& lambda) const {
    const Tensor divisor = (values_.unsqueeze(2) + lambda).clamp_min(smallest);
    return at::matmul(vectors_, projections_ / divisor);  // 0 / smallest where an eigenvalue is 0
  }

  /// (a, b) [B,m+p,T] of b.
  Tensor with_nuisances(const Tensor& b) const {
    if (nuisances_ == 0) return b;
    const Tensor ux = moments_.narrow(1, 0, nuisances_).narrow(2, nuisances_, features_);
    const Tensor uy =
        moments_.narrow(1, 0, nuisances_).narrow(2, nuisances_ + features_, moments_.size(2) - nuisances_ - features_);
    return at::cat({at::matmul(u_inverse_, uy - at::matmul(ux, b)), b}, 1);
  }

 private:
  int64_t nuisances_, features_;
  Tensor moments_, u_inverse_, xx_, xy_, yy_, values_, vectors_, projections_;
};

/// Summed squared errors [T] on groups, whose own moments are `moments` [G,q,q], of coefficients c [G,m+p,T].
Tensor squared_errors(const Tensor& moments, const Tensor& c) {
  const int64_t known = c.size(1), targets = c.size(2);
  const Tensor zz = moments.narrow(1, 0, known).narrow(2, 0, known);
  const Tensor zy = moments.narrow(1, 0, known).narrow(2, known, targets);
  const Tensor yy = moments.narrow(1, known, targets).narrow(2, known, targets).diagonal(0, 1, 2);
  return (yy + (c * (at::matmul(zz, c) - zy * 2)).sum(1)).sum(0);
}

/// The penalty of every target with the least error on the groups left out, [T].
Tensor cross_validated_ridge(const Tensor& moments, const Fits& without, double scale) {
  Tensor best, ridge;
  for (int step = 27; step >= 0; --step) {  // three a decade, from 10 down to 1e-8 of the mean eigenvalue
    const Tensor lambda = moments.new_full({}, scale * std::pow(10., -8 + step / 3.));
    const Tensor error = squared_errors(moments, without.with_nuisances(without.solve(lambda)));
    if (!best.defined()) {
      best = error;
      ridge = lambda.expand_as(error).clone();
      continue;
    }
    ridge = at::where(error < best, lambda, ridge);
    best = at::where(error < best, error, best);
  }
  return ridge;
}

}  // namespace

RegressionSums::RegressionSums(int64_t nuisances, int64_t features, int64_t targets, int64_t rows_a_unit)
    : nuisances_(nuisances), features_(features), targets_(targets), rows_a_unit_(rows_a_unit) {
  if (features > most_features)
    throw UsageError("A linear model of " + std::to_string(features) +
                     " regions was asked for, which takes matrices of " + std::to_string(features) + " x " +
                     std::to_string(features) + "; at most " + std::to_string(most_features) +
                     " regions are possible. Use fewer.");
  const int64_t columns = nuisances + features + targets;
  moments_ = at::zeros({groups, columns, columns}, at::kDouble);
}

void RegressionSums::add(const Tensor& u, const Tensor& x, const Tensor& y, const Tensor& weights) {
  const Tensor finite = at::isfinite(y).all(1), rows = at::cat({u, x, y}, 1);
  for (int64_t i = 0; i < x.size(0); ++i) {
    const int64_t group = (rows_ + left_out_) / rows_a_unit_ % groups;
    if (!finite[i].item<bool>()) {
      ++left_out_;
      continue;
    }
    const double weight = weights.defined() ? weights[i].item<double>() : 1;
    moments_[group].addr_(rows[i], rows[i], 1, weight);
    ++rows_;
    weight_ += weight;
    squared_weights_ += weight * weight;
  }
}

double RegressionSums::effective_rows() const {
  return squared_weights_ > 0 ? weight_ * weight_ / squared_weights_ : 0;
}

RegressionFit RegressionSums::fit(std::optional<double> ridge) const {
  VITRAIL_CHECK(rows_ > 1 && weight_ > 0, "a regression needs rows");
  const int64_t used = std::min(units(), groups);
  const Tensor groups_moments = moments_.narrow(0, 0, used), total = moments_.sum(0, true);
  const Fits all(total, nuisances_, features_), without(total - groups_moments, nuisances_, features_);
  const Tensor lambda =
      ridge ? total.new_full({}, *ridge) : cross_validated_ridge(groups_moments, without, all.mean_eigenvalue());
  const Tensor b = all.solve(lambda)[0], yy = all.yy()[0], zero = total.new_zeros({});
  const Tensor original = total[0].diagonal().narrow(0, nuisances_ + features_, targets_);
  const Tensor constant = yy <= original * (rounding_noise * rounding_noise);  // y varies by rounding only
  const Tensor captured = (b * (all.xy()[0] * 2 - at::matmul(all.xx()[0], b))).sum(0);
  RegressionFit fit;
  fit.coefficients = at::where(constant, zero, b);
  fit.without = at::where(constant, zero, without.solve(lambda));
  fit.nuisances = all.with_nuisances(fit.coefficients.unsqueeze(0))[0].narrow(0, 0, nuisances_);
  fit.nuisances_without = without.with_nuisances(fit.without).narrow(1, 0, nuisances_);
  fit.axes = all.vectors()[0];
  fit.moments = all.values()[0];
  fit.ridge = lambda.expand({targets_});
  fit.explained = at::where(constant, zero, captured / at::where(constant, zero + 1, yy));
  return fit;
}

Tensor shrinkage_factor(const RegressionFit& fit, const Tensor& axes) {
  const Tensor s = fit.moments.unsqueeze(1), divisor = s + fit.ridge, zero = s.new_zeros({});
  const Tensor inverse = at::where(divisor > 0, 1 / divisor, zero), squares = axes.square();  // [p,T]
  const Tensor sampling = at::matmul(squares, s * inverse.square()), both = at::matmul(squares, inverse);
  return at::where(sampling > 0, (both / sampling).sqrt(), zero + 1);
}

}  // namespace vitrail
