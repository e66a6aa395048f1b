#pragma once

// Colours for maps: a perceptual sequential scale for unsigned maps, a diverging one with its middle at
// zero for signed maps. Both keep their order in greyscale and for colour-blind eyes.

#include "vitrail/tensor.h"

namespace vitrail {

enum class ColourScale { sequential, diverging };

/// Colours [..., 3] float32 0..255 of values in [0,1]; values outside are clamped, NaN is the low end.
Tensor colours(const Tensor& values, ColourScale scale);

}  // namespace vitrail
