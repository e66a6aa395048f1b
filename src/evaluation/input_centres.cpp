#include "evaluation/input_centres.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <cstdint>

namespace vitrail {

namespace {

Tensor centres(double begin, double end, int64_t cells) {
  return (at::arange(cells, at::kDouble) + 0.5) * ((end - begin) / static_cast<double>(cells)) + begin;
}

}  // namespace

InputCentres::InputCentres(const PreparedImage& photo)
    : x(centres(photo.placed.x0, photo.placed.x1, photo.input.size(3))),
      y(centres(photo.placed.y0, photo.placed.y1, photo.input.size(2))) {}

}  // namespace vitrail
