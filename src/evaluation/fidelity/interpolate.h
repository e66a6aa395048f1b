#pragma once

// Curves through points.

#include <vitrail/tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace vitrail {

/// float64 [steps + 1]: the heights at 0, 1 / steps ... 1 of straight lines through the points (x, y) in the order of
/// x. Of points with one x those given first count on the left, the last one there and on the right. There must be
/// points at 0 and 1, and none outside.
Tensor interpolate(std::vector<std::pair<double, double>> points, int64_t steps);

}  // namespace vitrail
