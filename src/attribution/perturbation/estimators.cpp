#include "attribution/perturbation/estimators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/error.h>

namespace vitrail {

namespace {

constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

/// Units of independent draws: one a replicate, [R,N,...]; of a single replicate its points, [N,1,...].
struct Units {
  Tensor a, b, c;  // [R,N,T], [R,N,T] or undefined, [R,N,d,T]

  explicit Units(const std::vector<PickFreezeScores>& replicates) {
    Tensors y_a, y_b, y_c;
    for (const PickFreezeScores& replicate : replicates) {
      y_a.push_back(replicate.y_a);
      y_c.push_back(replicate.y_c);
      if (replicate.y_b.defined()) y_b.push_back(replicate.y_b);
    }
    a = at::stack(y_a), c = at::stack(y_c);
    if (!y_b.empty()) b = at::stack(y_b);
    VITRAIL_CHECK(a.size(0) * a.size(1) >= 2, "a variance needs two points");
    if (a.size(0) > 1) return;
    a = a.transpose(0, 1), c = c.transpose(0, 1);
    if (b.defined()) b = b.transpose(0, 1);
  }

  int64_t count() const { return a.size(0); }

  /// All units but one.
  Units without(int64_t unit) const {
    const auto drop = [&](const Tensor& y) {
      return y.defined() ? at::cat({y.narrow(0, 0, unit), y.narrow(0, unit + 1, y.size(0) - unit - 1)}) : y;
    };
    Units rest = *this;
    rest.a = drop(a), rest.b = drop(b), rest.c = drop(c);
    return rest;
  }
};

double points(const Units& units) { return static_cast<double>(units.a.size(0) * units.a.size(1)); }

Tensor constant_outputs(const Tensor& a, const Tensor& variance) {
  return variance <= (a.abs().amax({0, 1}) * rounding_noise).square();  // [T]
}

Tensor or_one(const Tensor& divisor) { return at::where(divisor == 0, divisor.new_ones({}), divisor); }

/// mean J / mean V over units, and the delta method. `j` [R,d,T], `v` [R,T], R >= 2.
CellEstimate ratio_of_means(const Tensor& j, const Tensor& v, const Tensor& is_constant) {
  const double units = static_cast<double>(j.size(0));
  const Tensor variance = v.mean(0);  // [T]
  const Tensor divisor = at::where(is_constant, variance.new_ones({}), variance);
  const Tensor index = j.mean(0) / divisor;                                                 // [d,T]
  const Tensor residual = j - index * v.unsqueeze(1);                                       // [R,d,T], sums to zero
  const Tensor error = residual.square().sum(0).div(units * (units - 1)).sqrt() / divisor;  // [d,T]
  const Tensor zero = index.new_zeros({});
  return {at::where(is_constant, zero, index), at::where(is_constant, zero, error), is_constant};
}

CellEstimate jansen(const Units& units) {
  const double n = points(units);
  const Tensor j = (units.a.unsqueeze(2) - units.c).square().mean(1) / 2;
  const Tensor v = (units.a - units.a.mean(at::IntArrayRef({0, 1}))).square().mean(1) * (n / (n - 1));
  return ratio_of_means(j, v, constant_outputs(units.a, v.mean(0)));
}

/// The index of every cell from all points together, [d,T]; 0 / 0 counts as 0.
Tensor pooled_index(IndexEstimator estimator, const Units& units) {
  const Tensor a = units.a.flatten(0, 1).unsqueeze(1), c = units.c.flatten(0, 1);  // [n,1,T], [n,d,T]
  const double n = points(units), unbiased = n / (n - 1);
  const Tensor mean_a = a.mean(0), variance_a = (a - mean_a).square().mean(0) * unbiased;  // [1,T]
  switch (estimator) {
    case IndexEstimator::jansen:
      return (a - c).square().mean(0) / 2 / or_one(variance_a);
    case IndexEstimator::janon: {
      const Tensor mean = (a + c).mean(0) / 2;
      const Tensor variance = ((a.square() + c.square()) / 2).mean(0) * unbiased - mean.square();
      return 1 - ((a * c).mean(0) - mean.square()) / or_one(variance);
    }
    case IndexEstimator::glen_isaacs: {
      const Tensor centred_a = a - mean_a, centred_c = c - c.mean(0);
      const Tensor scale = (centred_a.square().mean(0) * centred_c.square().mean(0)).sqrt();
      return 1 - (centred_a * centred_c).mean(0) / or_one(scale);
    }
    case IndexEstimator::homma:
      return 1 - ((a * c).mean(0) - mean_a.square()) / or_one(variance_a);
    case IndexEstimator::first_order:
      return (units.b.flatten(0, 1).unsqueeze(1) * (c - a)).mean(0) / or_one(variance_a);
  }
  VITRAIL_CHECK(false, "unknown estimator");
  return {};
}

/// Standard error of the pooled index, leaving out a unit at a time.
Tensor index_error(IndexEstimator estimator, const Units& units) {
  Tensors rest;
  for (int64_t unit = 0; unit < units.count(); ++unit) rest.push_back(pooled_index(estimator, units.without(unit)));
  return jackknife_error(at::stack(rest));
}

}  // namespace

CellEstimate nothing_known(int64_t cells, int64_t targets) {
  const Tensor zeros = at::zeros({cells, targets}, at::kDouble);
  return {zeros, zeros};
}

CellEstimate estimate_indices(IndexEstimator estimator, const std::vector<PickFreezeScores>& replicates) {
  const Units units(replicates);
  if (estimator == IndexEstimator::jansen) return jansen(units);
  const double n = points(units);
  const Tensor variance =
      (units.a - units.a.mean(at::IntArrayRef({0, 1}))).square().mean(at::IntArrayRef({0, 1})) * (n / (n - 1));
  const Tensor is_constant = constant_outputs(units.a, variance), zero = variance.new_zeros({});
  const Tensor index = pooled_index(estimator, units);
  const Tensor error = points(units) > 2 ? index_error(estimator, units) : at::zeros_like(index);
  return {at::where(is_constant, zero, index), at::where(is_constant, zero, error), is_constant};
}

CellEstimate root_mean_square_change(const std::vector<PickFreezeScores>& replicates) {
  const Units units(replicates);
  const CellEstimate square = mean_of_units((units.a.unsqueeze(2) - units.c).square().mean(1));
  const Tensor root = square.value.sqrt();
  const Tensor variance = (units.a - units.a.mean(at::IntArrayRef({0, 1}))).square().mean(at::IntArrayRef({0, 1}));
  return {root, square.standard_error / or_one(2 * root), constant_outputs(units.a, variance)};
}

CellEstimate mean_of_units(const Tensor& units) {
  const double n = static_cast<double>(units.size(0));
  const Tensor mean = units.mean(0);
  if (units.size(0) < 2) return {mean, at::zeros_like(mean)};
  return {mean, (units - mean).square().sum(0).div(n * (n - 1)).sqrt()};
}

Tensor jackknife_error(const Tensor& without) {
  const double n = static_cast<double>(without.size(0));
  return ((without - without.mean(0)).square().sum(0) * ((n - 1) / n)).sqrt();
}

}  // namespace vitrail
