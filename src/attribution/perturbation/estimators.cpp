#include "attribution/perturbation/estimators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

namespace vitrail {

namespace {

constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

/// mean J / mean V over units, and the delta method. `j` [R,d,T], `v` [R,T], R >= 2.
TotalOrder ratio_of_means(const Tensor& j, const Tensor& v, const Tensor& magnitude) {
  const double units = static_cast<double>(j.size(0));
  const Tensor variance = v.mean(0);                                             // [T]
  const Tensor is_constant = variance <= (magnitude * rounding_noise).square();  // [T]
  const Tensor divisor = at::where(is_constant, variance.new_ones({}), variance);
  const Tensor index = j.mean(0) / divisor;                                                 // [d,T]
  const Tensor residual = j - index * v.unsqueeze(1);                                       // [R,d,T], sums to zero
  const Tensor error = residual.square().sum(0).div(units * (units - 1)).sqrt() / divisor;  // [d,T]
  const Tensor zero = index.new_zeros({});
  return {at::where(is_constant, zero, index), at::where(is_constant, zero, error), is_constant};
}

}  // namespace

TotalOrder jansen_total_order(const std::vector<PickFreezeScores>& replicates) {
  Tensors y_a, y_c;
  for (const PickFreezeScores& replicate : replicates) {
    y_a.push_back(replicate.y_a);
    y_c.push_back(replicate.y_c);
  }
  const Tensor a = at::stack(y_a), c = at::stack(y_c);  // [R,N,T], [R,N,d,T]
  const double points = static_cast<double>(a.size(0) * a.size(1));
  VITRAIL_CHECK(points >= 2, "a variance needs two points");
  const Tensor j = (a.unsqueeze(2) - c).square() / 2;
  const Tensor v = (a - a.mean({0, 1})).square() * (points / (points - 1));
  const Tensor magnitude = a.abs().amax({0, 1});
  return a.size(0) == 1 ? ratio_of_means(j[0], v[0], magnitude) : ratio_of_means(j.mean(1), v.mean(1), magnitude);
}

}  // namespace vitrail
