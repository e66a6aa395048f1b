#pragma once

// One decoder a format, each to 8-bit RGB. They check the size before they allocate and throw InputError.

#include <cstdint>
#include <span>
#include <string>

#include "vitrail/image.h"

namespace vitrail {

/// What a decoder knows of the file it reads.
struct EncodedImage {
  std::span<const std::byte> bytes;
  std::string name;  ///< for messages
  DecodeOptions options;
};

Tensor decode_jpeg(const EncodedImage& file);
Tensor decode_png(const EncodedImage& file);
Tensor decode_webp(const EncodedImage& file);

/// Refuses an image with more pixels than the options allow; to be called before the pixels are allocated.
void check_size(const EncodedImage& file, int64_t width, int64_t height);

/// 1..8 from the EXIF block of a JPEG, PNG or WebP file's bytes; 1 where there is none or it is damaged.
int exif_orientation(std::span<const std::byte> bytes);

/// Turns pixels [H,W,3] upright.
Tensor apply_orientation(const Tensor& pixels, int orientation);

}  // namespace vitrail
