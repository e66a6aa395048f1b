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

/// RISE masks `first` .. `first + count - 1`, float32 [count,1,height,width] in [0,1]: a grid of independent
/// bits, one with probability `keep`, enlarged bilinearly to the image plus one cell, and cut out at a
/// random place. Bits and place are drawn from (seed, mask number). E[mask] = keep at every pixel.
Tensor rise_masks(int64_t first, int64_t count, int64_t grid, double keep, uint64_t seed, int64_t height,
                  int64_t width);

/// x * m + (1 - m) * baseline for every mask: `input` [C,H,W], `baseline` broadcastable to the
/// result, `masks` [n,1,H,W], result [n,C,H,W]. Where a mask is 0 the baseline is selected, so that a NaN or an
/// infinity under it cannot leak.
Tensor apply_masks(const Tensor& input, const Tensor& baseline, const Tensor& masks);

}  // namespace vitrail
