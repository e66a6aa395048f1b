#pragma once

// Imputation: hidden pixels as weighted means of their neighbours, hidden or not. One sparse linear system a mask, the
// same for every channel.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

enum class Neighbours {
  four,  ///< equal weights: the harmonic function with the shown pixels as its border
  eight  ///< 1/6 beside, 1/12 across: the linear imputation of ROAD
};

/// `input` [C,H,W] with the pixels where `hidden` (bool [H,W]) is true replaced. At the border of the image the weights
/// of the neighbours that exist are scaled to a sum of 1. `noise`: standard deviation of normal noise added to what was
/// imputed, drawn from (seed, sample). With every pixel hidden: the mean colour. Non-finite shown pixels count as the
/// mean colour.
Tensor impute(const Tensor& input, const Tensor& hidden, Neighbours neighbours, double noise, uint64_t seed,
              uint64_t sample);

}  // namespace vitrail
