#include "attribution/gradient/path_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

namespace vitrail {

void PathSum::add(const Tensor& point, const Tensor& gradient) {
  const Tensor z = point.to(at::kDouble), g = gradient.to(at::kDouble);
  total_ = points_ == 0 ? at::zeros_like(z) : total_ + (z - point_) * (g + gradient_) / 2;
  point_ = z;
  gradient_ = g;
  ++points_;
}

}  // namespace vitrail
