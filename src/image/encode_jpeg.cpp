#include <cstdio>
#include <cstdlib>
// jpeglib.h needs cstdio before it.
#include <jpeglib.h>

#include <csetjmp>
#include <utility>
#include <vector>

#include "vitrail/error.h"
#include "vitrail/image.h"

namespace vitrail {
namespace {

/// libjpeg reports by callbacks; errors jump back to the encoder, which owns nothing but plain data then.
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

/// The encoder, what its callbacks need and the memory that it writes to; frees itself.
class Jpeg {
 public:
  Jpeg() {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = on_error;
    if (setjmp(errors_.jump)) refuse();
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
  }
  Jpeg(const Jpeg&) = delete;
  ~Jpeg() { release(); }

  std::vector<std::byte> encode(const uint8_t* rows, const Tensor& pixels, int quality) {
    if (setjmp(errors_.jump)) refuse();
    info_.image_height = static_cast<JDIMENSION>(pixels.size(0));
    info_.image_width = static_cast<JDIMENSION>(pixels.size(1));
    info_.input_components = static_cast<int>(pixels.size(2));
    info_.in_color_space = info_.input_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    const size_t stride = static_cast<size_t>(info_.image_width) * info_.input_components;
    while (info_.next_scanline < info_.image_height) {
      auto* row = const_cast<JSAMPROW>(rows + stride * info_.next_scanline);  // libjpeg does not write to it
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    const auto* first = reinterpret_cast<const std::byte*>(bytes_);
    return {first, first + size_};
  }

 private:
  void release() {
    jpeg_destroy_compress(&info_);
    std::free(std::exchange(bytes_, nullptr));
  }
  /// Frees the encoder first: where it fails in the constructor, the destructor does not run.
  [[noreturn]] void refuse() {
    release();
    throw MachineError(std::string("cannot encode a JPEG: ") + errors_.message);
  }

  jpeg_compress_struct info_{};
  Errors errors_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const Tensor& pixels, int quality) {
  const bool planes = pixels.dim() == 3 && (pixels.size(2) == 1 || pixels.size(2) == 3);
  if (pixels.scalar_type() != at::kByte || !planes || pixels.numel() == 0)
    throw UsageError("encode_jpeg takes uint8 [H,W,1] or [H,W,3] of at least one pixel.");
  const Tensor rows = pixels.contiguous().cpu();
  return Jpeg().encode(rows.const_data_ptr<uint8_t>(), rows, quality);
}

}  // namespace vitrail
