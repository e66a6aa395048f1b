#include "attribution/blur.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/replication_pad1d.h>

#include <algorithm>
#include <cmath>

namespace vitrail {

namespace {

/// Along the last axis of [rows,length].
Tensor blur_rows(const Tensor& rows, double sigma) {
  const auto radius = std::max<int64_t>(1, std::lround(std::ceil(4 * sigma)));
  const Tensor distance = at::arange(-radius, radius + 1, rows.options().dtype(at::kDouble));
  const Tensor weight = (distance / sigma).square().mul(-0.5).exp();
  const Tensor kernel = (weight / weight.sum()).to(rows.scalar_type()).view({1, 1, -1});
  return at::conv1d(at::replication_pad1d(rows.unsqueeze(1), {radius, radius}), kernel).squeeze(1);
}

}  // namespace

Tensor gaussian_blur(const Tensor& image, double sigma) {
  if (sigma <= 0) return image;
  Tensor result = image;
  for (int pass = 0; pass < 2; ++pass) {  // the last axis, then the other
    const Tensor flat = result.reshape({-1, result.size(2)});
    result = blur_rows(flat, sigma).view_as(result).transpose(1, 2).contiguous();
  }
  return result;
}

}  // namespace vitrail
