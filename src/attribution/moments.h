#pragma once

#include <ATen/TensorOperators.h>
#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// Mean and sum of squared deviations of maps, one at a time (Welford 1962): no cancellation, any number.
/// Begins with zeros of the maps' shape.
struct RunningMoments {
  Tensor mean, squares;  // float64
  int64_t count = 0;

  void add(const Tensor& map) {
    const Tensor before = map - mean;
    mean = mean + before / static_cast<double>(++count);
    squares = squares + before * (map - mean);
  }
  /// Of the mean; of two maps or more.
  Tensor standard_error() const {
    const auto n = static_cast<double>(count);
    return (squares / (n * (n - 1))).sqrt();
  }
};

}  // namespace vitrail
