#pragma once

// Regions cut out of maps, and how far two of them agree.

#include <vitrail/tensor.h>

namespace vitrail {

/// bool, the shape of `map`: the pixels above its percentile (linear interpolation); those of the maximum where none
/// lies above.
Tensor above_percentile(const Tensor& map, double percentile);

/// Intersection over union of regions that are not both empty; and twice the intersection over the sum.
double iou_of(const Tensor& a, const Tensor& b);
double dice_of(const Tensor& a, const Tensor& b);

}  // namespace vitrail
