#include "evaluation/ssim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <limits>

namespace vitrail {

namespace {

constexpr int64_t kWindow = 11;
constexpr double kSigma = 1.5;

Tensor gaussian(int64_t size) {
  const Tensor place = (at::arange(size, at::kDouble) - static_cast<double>(size - 1) / 2) / kSigma;
  const Tensor weights = (place.square() / -2).exp();
  return weights / weights.sum();
}

}  // namespace

double ssim(const Tensor& a, const Tensor& b) {
  const Tensor maps = at::stack({a, b}).to(at::kCPU, at::kDouble);
  if (!maps.isfinite().all().item<bool>()) return std::numeric_limits<double>::quiet_NaN();
  const double range = (maps.max() - maps.min()).item<double>();
  if (range == 0) return 1;
  // In units of the range, so that no square overflows.
  const Tensor x = maps[0] / range, y = maps[1] / range;
  const int64_t side = std::min({kWindow, a.size(0), a.size(1)});
  const Tensor window = gaussian(side - (side + 1) % 2);
  Tensor moments = at::stack({x, y, x * x, y * y, x * y}).unsqueeze(1);
  moments = at::conv2d(at::conv2d(moments, window.view({1, 1, -1, 1})), window.view({1, 1, 1, -1})).squeeze(1);
  const Tensor mean_x = moments[0], mean_y = moments[1];
  const Tensor variances = moments[2] + moments[3] - mean_x.square() - mean_y.square();
  const Tensor covariance = moments[4] - mean_x * mean_y;
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const Tensor local = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) /
                       ((mean_x.square() + mean_y.square() + c1) * (variances + c2));
  return local.mean().item<double>();
}

}  // namespace vitrail
