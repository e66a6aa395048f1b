#pragma once

// The line integral of a gradient along a path of points z_0, z_1, ..., by the trapezoidal rule:
//
//   sum over k of (z_k+1 - z_k) (G_k + G_k+1) / 2
//
// an attribution of every coordinate, which adds up to g(z_n) - g(z_0) up to the rule's error: of second order in the
// steps, and none where g is quadratic between them.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

class PathSum {
 public:
  /// The next point and the gradient there, of the same shape.
  void add(const Tensor& point, const Tensor& gradient);

  int64_t points() const { return points_; }
  /// float64; undefined before the first point.
  const Tensor& total() const { return total_; }

 private:
  Tensor point_, gradient_, total_;
  int64_t points_ = 0;
};

}  // namespace vitrail
