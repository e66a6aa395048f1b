#pragma once

// A map drawn over its photo, with a colour bar and a caption.
//
// The map goes back through the geometry of the preprocessing, so that it lies where the model looked; what
// the crop cut off is dimmed. Unsigned maps run from 0 to their 99.5th percentile, or from their 0.5th where they
// stay far above 0 (a mean score); signed maps from minus to plus the 99.5th percentile of their absolute value, so
// that zero is the middle of the scale. The photo turns grey underneath and shows through where the map says little.

#include <string>
#include <vector>

#include "vitrail/image.h"
#include "vitrail/preprocess.h"

namespace vitrail {

struct OverlayOptions {
  int64_t long_side = 640;            ///< of the photo in the picture, in pixels
  double opacity = 0.75;              ///< of the strongest values
  double percentile = 0.995;          ///< of the values that the colour scale covers
  std::vector<Rectangle> boxes = {};  ///< to outline, in pixels of the photo
};

/// uint8 [H,W,3]. `map` is [h,w] at the model's input size, `placed` the part of the photo it covers; `boxes` are
/// outlined, in pixels of the photo.
Tensor render_overlay(const Image& photo, const Rectangle& placed, const Tensor& map, bool is_signed,
                      const std::string& title, const std::string& caption, const std::string& unit,
                      const OverlayOptions& options = {});

}  // namespace vitrail
