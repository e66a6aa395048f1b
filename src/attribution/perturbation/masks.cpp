#include "attribution/perturbation/masks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

#include <string>

#include "attribution/random.h"

namespace vitrail {

Tensor cell_of_pixel(int64_t side, int64_t grid) {
  if (grid > side)
    throw UsageError("grid=" + std::to_string(grid) + " asks for more cells than the image has pixels along a side (" +
                     std::to_string(side) + "). Use grid=" + std::to_string(side) + " or less.");
  // Pixel p has its centre at (p + 1/2) / side of the image: cell floor((2p + 1) grid / (2 side)).
  return at::arange(side, at::kLong).mul(2).add(1).mul(grid).div(2 * side, "floor");
}

namespace {

/// A mask before it is enlarged, and where it is cut out of the enlarged one.
struct RiseDraw {
  Tensor bits;  // [grid,grid]
  int64_t top, left;
};

RiseDraw draw_rise(Random random, int64_t grid, double keep, int64_t cell_height, int64_t cell_width) {
  RiseDraw draw{at::empty({grid, grid}, at::kFloat), 0, 0};
  float* bits = draw.bits.data_ptr<float>();
  for (int64_t i = 0; i < grid * grid; ++i) bits[i] = random.uniform() < keep ? 1.F : 0.F;
  draw.top = static_cast<int64_t>(random.uniform() * static_cast<double>(cell_height + 1));
  draw.left = static_cast<int64_t>(random.uniform() * static_cast<double>(cell_width + 1));
  return draw;
}

}  // namespace

Tensor rise_masks(int64_t first, int64_t count, int64_t grid, double keep, uint64_t seed, int64_t height,
                  int64_t width) {
  const int64_t cell_height = (height + grid - 1) / grid, cell_width = (width + grid - 1) / grid;
  const Tensor masks = at::empty({count, 1, height, width}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const RiseDraw draw = draw_rise(Random(seed, RandomStream::rise, static_cast<uint64_t>(first + i)), grid, keep,
                                    cell_height, cell_width);
    const Tensor enlarged =
        at::upsample_bilinear2d(draw.bits.view({1, 1, grid, grid}), {height + cell_height, width + cell_width}, false);
    masks[i].copy_(enlarged[0].narrow(1, draw.top, height).narrow(2, draw.left, width));
  }
  return masks.clamp_(0, 1);
}

Tensor apply_masks(const Tensor& input, const Tensor& baseline, const Tensor& masks) {
  const Tensor hidden = baseline.dim() == 4 ? baseline : baseline.unsqueeze(0);
  const Tensor m = masks.to(input.options());
  return at::where(m == 0, hidden, m * input.unsqueeze(0) + (1 - m) * hidden);
}

}  // namespace vitrail
