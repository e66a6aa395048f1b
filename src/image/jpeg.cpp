// JPEG by libjpeg-turbo, with a memory cap, a scan limit for progressive files, and warnings taken seriously:
// libjpeg fills what a truncated file lacks with grey, which would be explained as if it were the photo.

#include <ATen/ops/empty.h>

#include <cstdio>
// jpeglib.h needs cstdio before it.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <vector>

#include "image/codecs.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr long kMaxDecoderMemory = 512L << 20;
/// Progressive files of thousands of scans take minutes; encoders write about ten.
constexpr int kMaxScans = 500;

/// libjpeg reports by callbacks; errors jump back to the decoder, which owns nothing but plain data then.
struct Errors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
};

void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  errors->manager.format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

/// Warnings under which every pixel is there: a header of a later version, padding before the end marker.
bool harmless(const jpeg_error_mgr& errors) {
  switch (errors.msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
      return true;
    case JWRN_EXTRANEOUS_DATA:
      return errors.msg_parm.i[1] == JPEG_EOI;
    default:
      return false;
  }
}

void on_message(j_common_ptr info, int level) {
  // Level -1 is a warning: corrupt or missing data.
  if (level >= 0 || harmless(*info->err)) return;
  auto* errors = reinterpret_cast<Errors*>(info->err);
  ++errors->manager.num_warnings;
  errors->manager.format_message(info, errors->message);
}

void on_progress(j_common_ptr info) {
  auto* jpeg = reinterpret_cast<j_decompress_ptr>(info);
  if (jpeg->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<Errors*>(info->err);
  std::snprintf(errors->message, sizeof errors->message, "more than %d progressive scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

/// The decoder and what its callbacks need; frees itself.
class JpegReader {
 public:
  explicit JpegReader(const EncodedImage& file) : file_(file) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = on_error;
    errors_.manager.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    if (setjmp(errors_.jump)) refuse();
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    info_.mem->max_memory_to_use = kMaxDecoderMemory;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file.bytes.data()), file.bytes.size());
  }
  JpegReader(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  void read_header() {
    if (setjmp(errors_.jump)) refuse();
    jpeg_read_header(&info_, TRUE);
    // CMYK cannot be asked for as RGB; it is converted below.
    const bool four = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
  }

  int64_t width() const { return info_.image_width; }
  int64_t height() const { return info_.image_height; }
  bool four_channels() const { return info_.out_color_space == JCS_CMYK; }

  /// Rows of width x (3 or 4) bytes.
  void read_pixels(uint8_t* rows) {
    const size_t stride = static_cast<size_t>(width()) * (four_channels() ? 4 : 3);
    if (setjmp(errors_.jump)) refuse();
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = rows + stride * info_.output_scanline;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    if (errors_.manager.num_warnings > 0) refuse();
  }

 private:
  /// Frees the decoder first: where it fails in the constructor, the destructor does not run.
  [[noreturn]] void refuse() {
    jpeg_destroy_decompress(&info_);
    throw InputError(file_.name + " is a damaged or truncated JPEG: " + errors_.message +
                     ". Copy or download it again.");
  }

  const EncodedImage& file_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  Errors errors_{};
};

/// The encoder and what its callbacks need; frees itself.
class JpegWriter {
 public:
  JpegWriter() {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = on_error;
    if (setjmp(errors_.jump)) refuse();
    jpeg_create_compress(&info_);
  }
  JpegWriter(const JpegWriter&) = delete;
  ~JpegWriter() { jpeg_destroy_compress(&info_); }

  /// Of rows of width x (1 or 3) bytes into `out`; how many bytes the file has.
  size_t write(uint8_t* rows, JDIMENSION height, JDIMENSION width, int channels, int quality,
               std::span<std::byte> out) {
    auto* buffer = reinterpret_cast<unsigned char*>(out.data());
    auto size = static_cast<unsigned long>(out.size());
    if (setjmp(errors_.jump)) refuse();
    jpeg_mem_dest(&info_, &buffer, &size);
    info_.image_height = height;
    info_.image_width = width;
    info_.input_components = channels;
    info_.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < height) {
      JSAMPROW row = rows + static_cast<size_t>(width) * channels * info_.next_scanline;
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return size;
  }

 private:
  /// Frees the encoder first: where it fails in the constructor, the destructor does not run.
  [[noreturn]] void refuse() {
    jpeg_destroy_compress(&info_);
    throw MachineError(std::string("cannot encode a JPEG: ") + errors_.message);
  }

  jpeg_compress_struct info_{};
  Errors errors_{};
};

/// Adobe files store CMYK inverted, and libjpeg hands them on so: 255 is no ink. As Pillow converts them.
Tensor cmyk_to_rgb(const Tensor& cmyk) {
  Tensor rgb = at::empty({cmyk.size(0), cmyk.size(1), 3}, at::kByte);
  const auto* inks = cmyk.const_data_ptr<uint8_t>();
  auto* out = rgb.data_ptr<uint8_t>();
  for (const auto* end = inks + cmyk.numel(); inks != end; inks += 4) {
    for (int c = 0; c < 3; ++c) {
      const int product = inks[c] * inks[3] + 128;
      *out++ = static_cast<uint8_t>((product + (product >> 8)) >> 8);  // rounded division by 255
    }
  }
  return rgb;
}

}  // namespace

Tensor decode_jpeg(const EncodedImage& file) {
  JpegReader jpeg(file);
  jpeg.read_header();
  check_size(file, jpeg.width(), jpeg.height());
  Tensor pixels = at::empty({jpeg.height(), jpeg.width(), jpeg.four_channels() ? 4 : 3}, at::kByte);
  jpeg.read_pixels(pixels.data_ptr<uint8_t>());
  return jpeg.four_channels() ? cmyk_to_rgb(pixels) : pixels;
}

std::vector<std::byte> encode_jpeg(const Tensor& pixels, int quality) {
  if (pixels.scalar_type() != at::kByte || pixels.dim() != 3 || (pixels.size(2) != 1 && pixels.size(2) != 3) ||
      pixels.numel() == 0 || quality < 1 || quality > 100)
    throw UsageError("encode_jpeg takes uint8 [H,W,1] or [H,W,3] of at least one pixel, and a quality of 1 to 100.");
  const Tensor rows = pixels.contiguous().cpu();
  const int64_t height = rows.size(0), width = rows.size(1), channels = rows.size(2);
  // No file is larger than two bytes a value of whole blocks, and a header.
  std::vector<std::byte> bytes(2 * channels * (height + 15) * (width + 15) + 2048);
  bytes.resize(JpegWriter().write(rows.data_ptr<uint8_t>(), static_cast<JDIMENSION>(height),
                                  static_cast<JDIMENSION>(width), static_cast<int>(channels), quality, bytes));
  return bytes;
}

}  // namespace vitrail
