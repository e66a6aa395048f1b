#pragma once

// Masks over an image and what they do to it.
//
// A mask holds 1 where the image shows and 0 where the baseline does, in between for a blend. Masks
// are made a chunk at a time and are never all in memory.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// For every pixel of a side the cell whose area holds the pixel's centre, int64 [side]. Any grid and side: cells
/// differ by at most one pixel and mirror images have mirrored cells. Throws UsageError where there
/// are more cells than pixels.
Tensor cell_of_pixel(int64_t side, int64_t grid);

/// How RISE masks are drawn: a grid of independent bits, one with probability `keep`, enlarged bilinearly to the image
/// plus one cell, and cut out at a random place. E[mask] = keep at every pixel.
struct RiseDesign {
  int64_t grid = 7;
  double keep = 0.5;
  uint64_t seed = 1;
  bool antithetic = false;  ///< masks 2k and 2k + 1 share a place, and mirrored random numbers make their bits
};

/// Masks `first` .. `first + count - 1`, float32 [count,1,height,width] in [0,1]. Bits and place are drawn from (seed,
/// mask number), of antithetic masks from (seed, half of the number).
Tensor rise_masks(int64_t first, int64_t count, const RiseDesign& design, int64_t height, int64_t width);

/// Means over the cells of `values` [n,height,width]: [n,grid,grid], in the values' type.
Tensor cell_means(const Tensor& values, int64_t grid);

/// Along one side of the image, float64 [grid,side]: what the covariance of the mean of a RISE mask over a cell with
/// its value at a pixel is, in units of keep (1 - keep). Exact: the mean over all places. The covariance in two
/// dimensions is the product of those of the sides.
Tensor rise_covariance(int64_t grid, int64_t side);

/// x * m + (1 - m) * baseline for every mask: `input` [C,H,W], `baseline` broadcastable to the
/// result, `masks` [n,1,H,W], result [n,C,H,W]. Where a mask is 0 the baseline is selected, so that a NaN or an
/// infinity under it cannot leak.
Tensor apply_masks(const Tensor& input, const Tensor& baseline, const Tensor& masks);

}  // namespace vitrail
