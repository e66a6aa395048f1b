#include <array>
#include <fstream>

#include "base/sha256.h"
#include "image/codecs.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

struct Format {
  size_t offset;
  std::string_view magic;
  Tensor (*decode)(const EncodedImage&);
};

using namespace std::string_view_literals;
constexpr std::array<Format, 3> kFormats = {
    {{0, "\xFF\xD8\xFF"sv, decode_jpeg}, {0, "\x89PNG\r\n\x1A\n"sv, decode_png}, {8, "WEBP"sv, decode_webp}}};

bool starts_with(std::span<const std::byte> bytes, size_t offset, std::string_view magic) {
  if (bytes.size() < offset + magic.size()) return false;
  for (size_t i = 0; i < magic.size(); ++i)
    if (std::to_integer<char>(bytes[offset + i]) != magic[i]) return false;
  return true;
}

std::string first_bytes(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (size_t i = 0; i < bytes.size() && i < 8; ++i) {
    const int value = std::to_integer<int>(bytes[i]);
    text += (text.empty() ? "" : " ") + std::string{kDigits[value >> 4], kDigits[value & 15]};
  }
  return text;
}

}  // namespace

void check_size(const EncodedImage& file, int64_t width, int64_t height) {
  if (width <= 0 || height <= 0 || width > file.options.max_pixels / height)
    throw InputError(file.name + " claims " + std::to_string(width) + "x" + std::to_string(height) +
                     " pixels; at most " + std::to_string(file.options.max_pixels >> 20) +
                     " megapixels are accepted. Scale it down first.");
}

Image decode_image(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options) {
  if (encoded.empty()) throw InputError(name + " is empty; expected a JPEG, PNG or WebP image.");
  if (static_cast<int64_t>(encoded.size()) > options.max_bytes)
    throw InputError(name + " has " + std::to_string(encoded.size() >> 20) + " MB; at most " +
                     std::to_string(options.max_bytes >> 20) + " MB are accepted.");
  for (const Format& format : kFormats) {
    if (!starts_with(encoded, format.offset, format.magic)) continue;
    Image image;
    image.pixels = format.decode({encoded, name, options});
    image.path = name;
    image.sha256 = sha256_hex(encoded);
    image.exif_orientation = exif_orientation(encoded);
    if (options.apply_exif_orientation) image.pixels = apply_orientation(image.pixels, image.exif_orientation);
    return image;
  }
  throw InputError(name + " is not an image that vitrail reads: it starts with the bytes " + first_bytes(encoded) +
                   "; expected JPEG, PNG or WebP. Convert it first.");
}

Image read_image(const fs::path& path, const DecodeOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw InputError("there is no file " + path.string() + "; expected an image.");
  if (!fs::is_regular_file(status)) throw InputError(path.string() + " is not a file; expected an image.");
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (!error && size > options.max_bytes)
    throw InputError(path.string() + " has " + std::to_string(size >> 20) + " MB; at most " +
                     std::to_string(options.max_bytes >> 20) + " MB are accepted.");
  std::vector<std::byte> bytes(error ? 0 : size);
  std::ifstream file(path, std::ios::binary);
  if (error || !file.read(reinterpret_cast<char*>(bytes.data()), size))
    throw InputError(path.string() + " cannot be read" + (error ? ": " + error.message() : "") +
                     ". Check its permissions.");
  return decode_image(bytes, path.string(), options);
}

}  // namespace vitrail
