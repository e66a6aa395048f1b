#include "attribution/perturbation/masks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_linear1d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <cmath>
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

int64_t cell_side(int64_t side, int64_t grid) { return (side + grid - 1) / grid; }

/// A mask before it is enlarged, and where it is cut out of the enlarged one.
struct RiseDraw {
  Tensor bits;  // [grid,grid]
  int64_t top, left;
};

RiseDraw draw_rise(const RiseDesign& design, int64_t number, int64_t cell_height, int64_t cell_width) {
  const bool mirrored = design.antithetic && number % 2 == 1;
  Random random(design.seed, RandomStream::rise, static_cast<uint64_t>(design.antithetic ? number / 2 : number));
  RiseDraw draw{at::empty({design.grid, design.grid}, at::kFloat), 0, 0};
  float* bits = draw.bits.data_ptr<float>();
  for (int64_t i = 0; i < design.grid * design.grid; ++i) {
    const double u = random.uniform();
    bits[i] = (mirrored ? 1 - u <= design.keep : u < design.keep) ? 1.F : 0.F;
  }
  draw.top = static_cast<int64_t>(random.uniform() * static_cast<double>(cell_height + 1));
  draw.left = static_cast<int64_t>(random.uniform() * static_cast<double>(cell_width + 1));
  return draw;
}

/// float64 [grid,side]: the mean over the cells along a side.
Tensor averaging(int64_t grid, int64_t side) {
  const Tensor cells = at::arange(grid, at::kLong).unsqueeze(1).eq(cell_of_pixel(side, grid)).to(at::kDouble);
  return cells / cells.sum(1, /*keepdim=*/true);
}

}  // namespace

Tensor rise_masks(int64_t first, int64_t count, const RiseDesign& design, int64_t height, int64_t width) {
  const int64_t cell_height = cell_side(height, design.grid), cell_width = cell_side(width, design.grid);
  const Tensor masks = at::empty({count, 1, height, width}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const RiseDraw draw = draw_rise(design, first + i, cell_height, cell_width);
    const Tensor enlarged = at::upsample_bilinear2d(draw.bits.view({1, 1, design.grid, design.grid}),
                                                    {height + cell_height, width + cell_width}, false);
    masks[i].copy_(enlarged[0].narrow(1, draw.top, height).narrow(2, draw.left, width));
  }
  return masks.clamp_(0, 1);
}

Tensor cell_means(const Tensor& values, int64_t grid) {
  const auto along = [&](int64_t side) { return averaging(grid, side).to(values.scalar_type()); };
  return at::matmul(at::matmul(along(values.size(1)), values), along(values.size(2)).t());
}

Tensor rise_covariance(int64_t grid, int64_t side) {
  const int64_t places = cell_side(side, grid) + 1;
  const Tensor bits = at::eye(grid, at::kDouble).unsqueeze(1);                                    // each bit alone
  const Tensor weights = at::upsample_linear1d(bits, {side + places - 1}, false).squeeze(1).t();  // [enlarged,grid]
  const Tensor mean = averaging(grid, side);
  Tensor covariance = at::zeros({grid, side}, at::kDouble);
  for (int64_t place = 0; place < places; ++place) {
    const Tensor shown = weights.narrow(0, place, side);
    covariance += at::matmul(at::matmul(mean, shown), shown.t());
  }
  return covariance / static_cast<double>(places);
}

Tensor apply_masks(const Tensor& input, const Tensor& baseline, const Tensor& masks) {
  const Tensor hidden = baseline.dim() == 4 ? baseline : baseline.unsqueeze(0);
  const Tensor m = masks.to(input.options());
  Tensor mixed = at::lerp(hidden.to(input.options()), input.unsqueeze(0), m);  // exact at both ends
  if (std::isfinite(input.sum().item<double>())) return mixed;  // one pass: any NaN or infinity reaches the sum
  return at::where(m == 0, hidden, mixed);                      // what is hidden does not reach the score
}

}  // namespace vitrail
