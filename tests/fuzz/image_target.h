#pragma once

// What the targets of the image decoders share.

#include "fuzz/hostile.h"
#include "image/codecs.h"

namespace vitrail::testing {

/// Decodes and turns upright, whatever the first bytes say of the format. A megapixel is enough to reach all code.
inline void decode(Tensor (*codec)(const EncodedImage&), const uint8_t* data, size_t size) {
  const std::span bytes = std::as_bytes(std::span(data, size));
  taken_or_refused([&] {
    const int orientation = exif_orientation(bytes);
    const Tensor pixels = apply_orientation(codec({bytes, "image", {.max_pixels = 1 << 20}}), orientation);
    if (pixels.dim() != 3 || pixels.size(2) != 3 || pixels.scalar_type() != at::kByte)
      throw InternalError("a decoder gives no uint8 [H,W,3]");
  });
}

}  // namespace vitrail::testing
