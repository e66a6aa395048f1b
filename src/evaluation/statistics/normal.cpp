#include "evaluation/statistics/normal.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/special_ndtri.h>

#include <cmath>
#include <numbers>

namespace vitrail {

double normal_cdf(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

double normal_quantile(double probability) {
  return at::special_ndtri(at::scalar_tensor(probability, at::kDouble)).item<double>();
}

}  // namespace vitrail
