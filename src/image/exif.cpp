// The orientation tag, by a reader of the few bytes it takes: no library is needed for one number.

#include <cstring>
#include <optional>
#include <string_view>

#include "image/codecs.h"

namespace vitrail {
namespace {

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> data, bool little = false) : data_(data), little_(little) {}
  bool has(size_t at, size_t count) const { return at <= data_.size() && count <= data_.size() - at; }
  uint32_t number(size_t at, size_t count) const {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t from = little_ ? at + count - 1 - i : at + i;
      value = value << 8 | std::to_integer<uint32_t>(data_[from]);
    }
    return value;
  }
  bool text(size_t at, std::string_view expected) const {
    return has(at, expected.size()) && std::memcmp(data_.data() + at, expected.data(), expected.size()) == 0;
  }

 private:
  std::span<const std::byte> data_;
  bool little_;
};

constexpr std::string_view kExifName("Exif\0\0", 6);

/// The TIFF structure: byte order, offset of the first directory, entries of twelve bytes. JPEG puts a name before it,
/// and so do some writers of PNG and WebP.
int orientation_of_tiff(std::span<const std::byte> tiff) {
  constexpr uint32_t kOrientationTag = 0x0112;
  if (Bytes(tiff).text(0, kExifName)) tiff = tiff.subspan(kExifName.size());
  const Bytes head(tiff);
  const bool little = head.text(0, "II");
  if (!head.has(0, 8) || (!little && !head.text(0, "MM"))) return 1;
  const Bytes bytes(tiff, little);
  const size_t directory = bytes.number(4, 4);
  if (!bytes.has(directory, 2)) return 1;
  const size_t entries = bytes.number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (!bytes.has(entry, 12)) return 1;
    if (bytes.number(entry, 2) != kOrientationTag) continue;
    const uint32_t value = bytes.number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// JPEG: a list of segments; EXIF is an APP1 that starts with its name.
std::optional<std::span<const std::byte>> exif_of_jpeg(std::span<const std::byte> data) {
  const Bytes bytes(data);
  for (size_t at = 2; bytes.has(at, 4) && bytes.number(at, 1) == 0xFF;) {
    const uint32_t marker = bytes.number(at + 1, 1), length = bytes.number(at + 2, 2);
    if (marker == 0xFF) {  // padding before a marker
      ++at;
      continue;
    }
    if (marker == 0xDA || length < 2 || !bytes.has(at + 2, length)) break;
    if (marker == 0xE1 && bytes.text(at + 4, kExifName)) return data.subspan(at + 4, length - 2);
    at += 2 + length;
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> exif_of_png(std::span<const std::byte> data) {
  const Bytes bytes(data);
  for (size_t at = 8; bytes.has(at, 8);) {
    const size_t length = bytes.number(at, 4);
    if (!bytes.has(at + 8, length)) break;
    if (bytes.text(at + 4, "eXIf")) return data.subspan(at + 8, length);
    at += 12 + length;
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> exif_of_webp(std::span<const std::byte> data) {
  const Bytes bytes(data, /*little=*/true);
  for (size_t at = 12; bytes.has(at, 8);) {
    const size_t length = bytes.number(at + 4, 4);
    if (!bytes.has(at + 8, length)) break;
    if (bytes.text(at, "EXIF")) return data.subspan(at + 8, length);
    at += 8 + length + length % 2;
  }
  return std::nullopt;
}

}  // namespace

int exif_orientation(std::span<const std::byte> bytes) {
  const Bytes head(bytes);
  std::optional<std::span<const std::byte>> exif;
  if (head.text(0, "\xFF\xD8")) exif = exif_of_jpeg(bytes);
  if (head.text(0, "\x89PNG")) exif = exif_of_png(bytes);
  if (head.text(0, "RIFF")) exif = exif_of_webp(bytes);
  return exif ? orientation_of_tiff(*exif) : 1;
}

Tensor apply_orientation(const Tensor& pixels, int orientation) {
  // The tag says where the first row and column lie; even codes are mirrored, 5 to 8 transposed.
  Tensor upright = pixels;
  switch (orientation) {
    case 2:
      upright = pixels.flip({1});
      break;
    case 3:
      upright = pixels.flip({0, 1});
      break;
    case 4:
      upright = pixels.flip({0});
      break;
    case 5:
      upright = pixels.transpose(0, 1);
      break;
    case 6:
      upright = pixels.transpose(0, 1).flip({1});
      break;
    case 7:
      upright = pixels.transpose(0, 1).flip({0, 1});
      break;
    case 8:
      upright = pixels.transpose(0, 1).flip({0});
      break;
    default:
      break;
  }
  return upright.contiguous();
}

}  // namespace vitrail
