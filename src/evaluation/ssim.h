#pragma once

// Structural similarity of two maps: do they have the same mean, contrast and pattern around every pixel?
//
//   SSIM = mean over windows of (2 m_a m_b + c1) (2 cov + c2) / ((m_a^2 + m_b^2 + c1) (v_a + v_b + c2))
//   c1 = (0.01 L)^2, c2 = (0.03 L)^2, L = largest - smallest value of both maps together
//
// Means, variances and the covariance are weighted by a Gaussian window of 11 x 11 pixels, sigma 1.5. Only windows that
// lie inside the maps count (no border is made up); of maps with a side below 11 the window is the largest odd one that
// fits.
//
// Source      Wang, Bovik, Sheikh, Simoncelli, Image Quality Assessment: From Error Visibility to Structural
//             Similarity, 2004.

#include <vitrail/tensor.h>

namespace vitrail {

/// Of two maps [H,W] of the same size. 1 where L = 0: both are the same constant. NaN where a value is not finite.
double ssim(const Tensor& a, const Tensor& b);

}  // namespace vitrail
