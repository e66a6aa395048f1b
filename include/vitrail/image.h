#pragma once

// Photos: decoding, encoding and resizing.
//
// Files come from strangers, so the format is told by the first bytes (JPEG, PNG, WebP), the
// header is read and the size refused before any pixel is allocated, and the decoders run under
// their own limits. Everything decodes to 8-bit RGB the way Pillow's `convert("RGB")` does:
// greyscale and palette are expanded, CMYK is converted, alpha is dropped, 16 bit becomes 8 bit.
//
// Not thread-bound: every function may be called from several threads at once.

#include <vitrail/tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

struct Image {
  Tensor pixels;             ///< uint8 [H,W,3], RGB
  std::string path;          ///< where it came from; empty for images made in memory
  std::string sha256;        ///< of the encoded file, hexadecimal; empty for images made in memory
  int exif_orientation = 1;  ///< 1..8 as the file says; already applied when the options asked for it

  int64_t height() const { return pixels.size(0); }
  int64_t width() const { return pixels.size(1); }
};

struct DecodeOptions {
  int64_t max_pixels = 64 << 20;        ///< width x height; larger images are refused before allocation
  int64_t max_bytes = 256 << 20;        ///< size of the encoded file
  bool apply_exif_orientation = false;  ///< the reference pipelines ignore it, so it is off
};

/// Decodes a JPEG, PNG or WebP (first frame). Throws InputError naming `name`, what was found and what to do.
Image decode_image(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options = {});

/// Reads and decodes a file.
Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

/// The photos of a folder by their names (.jpg, .jpeg, .png, .webp in any case), sorted; those of its folders are left
/// out.
std::vector<std::filesystem::path> photos_in(const std::filesystem::path& folder);

/// Encodes uint8 [H,W,3] as PNG.
std::vector<std::byte> encode_png(const Tensor& pixels);

/// Encodes uint8 [H,W,1] (grey) or [H,W,3] as JPEG, quality 1 to 100.
std::vector<std::byte> encode_jpeg(const Tensor& pixels, int quality);

enum class ResizeFilter { nearest, bilinear, bicubic };

/// Resizes uint8 [H,W,C] to [height,width,C]; `antialias` as Pillow does (within 2 levels of it).
Tensor resize(const Tensor& pixels, int64_t height, int64_t width, ResizeFilter filter, bool antialias = true);

}  // namespace vitrail
