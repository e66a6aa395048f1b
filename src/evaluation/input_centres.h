#pragma once

#include <vitrail/preprocess.h>
#include <vitrail/tensor.h>

namespace vitrail {

/// Where the centres of the input's pixels lie on the photo, in its pixels: float64 [W] and [H].
struct InputCentres {
  Tensor x, y;
  explicit InputCentres(const PreparedImage& photo);
};

}  // namespace vitrail
