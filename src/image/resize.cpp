#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <algorithm>
#include <vector>

#include "vitrail/error.h"
#include "vitrail/image.h"

namespace vitrail {
namespace {

/// Pillow takes the pixel under the centre of the new one. It walks there step by step: where a centre lies on
/// an edge, its rounding decides, and so does ours.
Tensor nearest(const Tensor& pixels, int64_t axis, int64_t size) {
  const double step = static_cast<double>(pixels.size(axis)) / static_cast<double>(size);
  std::vector<int64_t> index;
  for (double centre = step / 2; static_cast<int64_t>(index.size()) < size; centre += step)
    index.push_back(std::min(static_cast<int64_t>(centre), pixels.size(axis) - 1));
  return pixels.index_select(axis, at::tensor(index, at::kLong));
}

}  // namespace

Tensor resize(const Tensor& pixels, int64_t height, int64_t width, ResizeFilter filter, bool antialias) {
  if (pixels.scalar_type() != at::kByte || pixels.dim() != 3 || pixels.numel() == 0 || height <= 0 || width <= 0)
    throw UsageError("resize takes uint8 [H,W,C] of at least one pixel, and a positive size.");
  if (pixels.size(0) == height && pixels.size(1) == width) return pixels;
  if (filter == ResizeFilter::nearest) return nearest(nearest(pixels, 0, height), 1, width).contiguous();
  const std::vector<int64_t> size = {height, width};
  const Tensor planes = pixels.permute({2, 0, 1}).unsqueeze(0);
  Tensor resized;
  if (antialias) {
    // The 8-bit kernels round where Pillow rounds, between the two passes: nearly all values are equal.
    resized = filter == ResizeFilter::bilinear ? at::_upsample_bilinear2d_aa(planes, size, false)
                                               : at::_upsample_bicubic2d_aa(planes, size, false);
  } else {
    const Tensor exact = planes.to(at::kFloat);
    resized = filter == ResizeFilter::bilinear ? at::upsample_bilinear2d(exact, size, false)
                                               : at::upsample_bicubic2d(exact, size, false);
    resized = resized.round().clamp(0, 255).to(at::kByte);
  }
  return resized[0].permute({1, 2, 0}).contiguous();
}

}  // namespace vitrail
