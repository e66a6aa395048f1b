#include "attribution/perturbation/estimators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

#include <cmath>

namespace vitrail {

namespace {

constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

}  // namespace

TotalOrder jansen_total_order(const Tensor& y_a, const Tensor& y_c) {
  VITRAIL_CHECK(y_a.dim() == 2 && y_c.dim() == 3 && y_a.size(0) == y_c.size(0) && y_a.size(0) >= 2,
                "y_A must be [N,T] and y_C [N,d,T] with N >= 2");
  const double points = static_cast<double>(y_a.size(0));
  const Tensor half_squares = (y_a.unsqueeze(1) - y_c).square() / 2;                     // J_n  [N,d,T]
  const Tensor squares = (y_a - y_a.mean(0, true)).square() * (points / (points - 1));   // V_n  [N,T]
  const Tensor variance = squares.mean(0);                                               // [T]
  const Tensor is_constant = variance <= (y_a.abs().amax(0) * rounding_noise).square();  // [T]
  const Tensor divisor = at::where(is_constant, variance.new_ones({}), variance);
  const Tensor index = half_squares.mean(0) / divisor;                                        // [d,T]
  const Tensor residual = half_squares - index.unsqueeze(0) * squares.unsqueeze(1);           // [N,d,T]
  const Tensor error = residual.square().sum(0).div(points * (points - 1)).sqrt() / divisor;  // [d,T]
  const Tensor zero = index.new_zeros({});
  return {at::where(is_constant, zero, index), at::where(is_constant, zero, error), is_constant};
}

TotalOrder combine_replicates(const std::vector<TotalOrder>& replicates) {
  VITRAIL_CHECK(!replicates.empty(), "no replicate to combine");
  if (replicates.size() == 1) return replicates.front();
  Tensors indices, constants;
  for (const TotalOrder& replicate : replicates) {
    indices.push_back(replicate.index);
    constants.push_back(replicate.is_constant);
  }
  const Tensor all = at::stack(indices);
  return {all.mean(0), all.std(0) / std::sqrt(static_cast<double>(replicates.size())), at::stack(constants).all(0)};
}

}  // namespace vitrail
