#pragma once

#include <vitrail/tensor.h>

namespace vitrail {

/// `image` [C,H,W] under a Gaussian of standard deviation `sigma` pixels, cut off at four of them; beyond the border
/// the border's pixels repeat. sigma = 0: the image.
Tensor gaussian_blur(const Tensor& image, double sigma);

}  // namespace vitrail
