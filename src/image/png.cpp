// PNG by libpng, with its limits for untrusted files set, and every colour type brought to 8-bit RGB the way
// Pillow's convert("RGB") does: palettes and greys expanded, alpha dropped, the high byte of 16 bits kept.

#include <ATen/ops/empty.h>
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

#include "image/codecs.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr png_alloc_size_t kMaxChunkBytes = 64 << 20;
constexpr png_uint_32 kMaxChunks = 1000;

class Png {
 public:
  explicit Png(const EncodedImage& file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw MachineError("no memory for decoding " + file.name + ".");
    }
    png_set_read_fn(png_, this, read);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_chunk_cache_max(png_, kMaxChunks);
    // Texts and colour profiles are not used; unpacked, a thousand of them fill the memory of any machine.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    // The pixel limit is checked by us, with a better message than libpng's.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  }
  Png(const Png&) = delete;
  ~Png() { png_destroy_read_struct(&png_, &info_, nullptr); }

  void read_header() {
    if (setjmp(jump_)) refuse();
    png_read_info(png_, info_);
  }

  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }

  void read_pixels(uint8_t* rgb) {
    if (setjmp(jump_)) refuse();
    png_set_strip_16(png_);
    png_set_packing(png_);
    png_set_palette_to_rgb(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const size_t stride = static_cast<size_t>(width()) * 3;
    if (png_get_rowbytes(png_, info_) != stride) png_error(png_, "unexpected row size");
    for (int pass = 0; pass < passes; ++pass)
      for (int64_t y = 0; y < height(); ++y) png_read_row(png_, rgb + stride * y, nullptr);
    png_read_end(png_, nullptr);
  }

 private:
  static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<Png*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof self->message_ - 1);
    std::longjmp(self->jump_, 1);
  }
  static void read(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<Png*>(png_get_io_ptr(png));
    if (count > self->file_.bytes.size() - self->position_) png_error(png, "the file ends too early");
    std::memcpy(out, self->file_.bytes.data() + self->position_, count);
    self->position_ += count;
  }
  [[noreturn]] void refuse() {
    throw InputError(file_.name + " is a damaged or truncated PNG: " + message_ + ". Copy or download it again.");
  }

  const EncodedImage& file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t position_ = 0;
  std::jmp_buf jump_;
  char message_[200] = {};
};

}  // namespace

Tensor decode_png(const EncodedImage& file) {
  Png png(file);
  png.read_header();
  check_size(file, png.width(), png.height());
  Tensor pixels = at::empty({png.height(), png.width(), 3}, at::kByte);
  png.read_pixels(pixels.data_ptr<uint8_t>());
  return pixels;
}

std::vector<std::byte> encode_png(const Tensor& pixels) {
  if (pixels.scalar_type() != at::kByte || pixels.dim() != 3 || pixels.size(2) != 3 || pixels.numel() == 0)
    throw UsageError("encode_png takes uint8 [H,W,3] of at least one pixel.");
  const Tensor rows = pixels.contiguous().cpu();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(rows.size(1));
  image.height = static_cast<png_uint_32>(rows.size(0));
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::byte> bytes(size);
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, rows.data_ptr(), 0, nullptr))
    throw MachineError(std::string("cannot encode a PNG: ") + image.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace vitrail
