#pragma once

// SLIC superpixels: k-means over colour and place, each centre looking only at its neighbourhood.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// About `wanted` connected regions of `image` [C,H,W]: int64 [H,W] with numbers from 0, in reading order of
/// their first pixels. Colours are compared on a scale on which the image's own range is 100; `compactness` is how many
/// of these units a distance of one region's side weighs. Ten passes, then pieces smaller than a half of the
/// usual size join the neighbour left of or above them. Non-finite pixels count as 0. Deterministic.
Tensor slic(const Tensor& image, int64_t wanted, double compactness = 20);

}  // namespace vitrail
