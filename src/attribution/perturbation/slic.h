#pragma once

// SLIC superpixels: k-means over colour and place, each centre looking only at its neighbourhood.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// At most `wanted` connected regions of `image` [C,H,W], as many where the image has them: int64 [H,W] with numbers
/// from 0, in reading order of their first pixels. Colours are compared on a scale on which the image's own range is
/// 100; `compactness` is how many of these units a distance of one region's side weighs. Ten passes; then pieces
/// smaller than a quarter of the usual size join the neighbour they are most like, and so do, the most alike first
/// (Ward's criterion), what pieces there are too many. Non-finite pixels count as 0. Deterministic.
Tensor slic(const Tensor& image, int64_t wanted, double compactness = 40);

}  // namespace vitrail
