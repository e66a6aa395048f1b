#pragma once

// The order in which a map hides or shows the pixels.

#include <vitrail/pixel_order.h>
#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// int64 [H,W]: 0 for the largest value of `map` [H,W], H W - 1 for the smallest.
Tensor pixel_ranks(const Tensor& map, Ties ties, uint64_t seed);

/// Whether all values are equal: then a map orders nothing.
bool is_constant(const Tensor& map);
inline constexpr const char* kConstantMap = "the map is constant: it orders no pixel before another";

/// int64 [steps + 1]: floor(linspace(0, floor(share x pixels), steps + 1)). `steps` -1: one a pixel.
Tensor prefix_sizes(int64_t pixels, int64_t steps, double share);

/// Area under a curve of equally spaced points, as a mean: sum of (y_t + y_t+1) / 2 / steps.
double mean_height(const Tensor& curve);

}  // namespace vitrail
