#include "image/draw.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace vitrail {
namespace {

std::string find_font() {
  if (const char* chosen = std::getenv("VITRAIL_FONT")) return chosen;
  for (const char* path : {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf",
                           "/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf"})
    if (std::filesystem::exists(path)) return path;
  return {};
}

/// The code point at `at`, which moves behind it; a byte that begins none becomes a question mark.
uint32_t next_point(const std::string& utf8, size_t& at) {
  const auto lead = static_cast<unsigned char>(utf8[at++]);
  if (lead < 0x80) return lead;
  const size_t extra = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (extra == 0 || extra > utf8.size() - at) return '?';
  uint32_t point = lead & (0x3F >> extra);
  for (size_t i = at; i < at + extra; ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if ((byte & 0xC0) != 0x80) return '?';
    point = point << 6 | (byte & 0x3F);
  }
  at += extra;
  return point;
}

/// Draws by the outlines only: an embedded bitmap has other bytes than the grey levels that `write` blends.
bool load_glyph(FT_Face face, uint32_t point, FT_Int32 flags) {
  return FT_Load_Char(face, point, flags | FT_LOAD_NO_BITMAP) == 0;
}

int64_t advance(FT_Face face, uint32_t point) {
  return load_glyph(face, point, FT_LOAD_DEFAULT) ? face->glyph->advance.x >> 6 : 0;
}

}  // namespace

Tensor make_canvas(int64_t height, int64_t width, Rgb colour) {
  Tensor canvas = at::empty({height, width, 3}, at::kByte);
  fill(canvas, 0, 0, width, height, colour);
  return canvas;
}

void fill(const Tensor& canvas, int64_t x, int64_t y, int64_t width, int64_t height, Rgb colour) {
  const int64_t x1 = std::min(x + width, canvas.size(1)), y1 = std::min(y + height, canvas.size(0));
  x = std::max<int64_t>(x, 0);
  y = std::max<int64_t>(y, 0);
  if (x1 <= x || y1 <= y) return;
  canvas.narrow(0, y, y1 - y).narrow(1, x, x1 - x).copy_(at::tensor({colour[0], colour[1], colour[2]}, at::kByte));
}

void paste(const Tensor& canvas, const Tensor& image, int64_t x, int64_t y) {
  canvas.narrow(0, y, image.size(0)).narrow(1, x, image.size(1)).copy_(image);
}

Font::Font(int pixels) : pixels_(pixels) {
  const std::string path = find_font();
  FT_Library library = nullptr;
  if (path.empty() || FT_Init_FreeType(&library) != 0) return;
  library_ = library;
  FT_Face face = nullptr;
  if (FT_New_Face(library, path.c_str(), 0, &face) != 0) return;
  if (FT_Set_Pixel_Sizes(face, 0, pixels) != 0 || !FT_IS_SCALABLE(face)) {
    FT_Done_Face(face);
    return;
  }
  face_ = face;
}

Font::~Font() {
  if (face_) FT_Done_Face(static_cast<FT_Face>(face_));
  if (library_) FT_Done_FreeType(static_cast<FT_Library>(library_));
}

int64_t Font::width(const std::string& utf8) const {
  if (!face_) return 0;
  int64_t width = 0;
  for (size_t at = 0; at < utf8.size();) width += advance(static_cast<FT_Face>(face_), next_point(utf8, at));
  return width;
}

void Font::write(const Tensor& canvas, int64_t x, int64_t y, const std::string& utf8, Rgb colour) const {
  if (!face_) return;
  auto* face = static_cast<FT_Face>(face_);
  auto* pixels = canvas.data_ptr<uint8_t>();
  const int64_t rows = canvas.size(0), columns = canvas.size(1);
  for (size_t at = 0; at < utf8.size();) {
    if (!load_glyph(face, next_point(utf8, at), FT_LOAD_RENDER)) continue;
    const FT_Bitmap& glyph = face->glyph->bitmap;
    for (int64_t row = 0; row < glyph.rows; ++row) {
      for (int64_t column = 0; column < glyph.width; ++column) {
        const int64_t px = x + face->glyph->bitmap_left + column, py = y - face->glyph->bitmap_top + row;
        if (px < 0 || py < 0 || px >= columns || py >= rows) continue;
        const int alpha = glyph.buffer[row * glyph.pitch + column];
        uint8_t* pixel = pixels + (py * columns + px) * 3;
        for (int c = 0; c < 3; ++c)
          pixel[c] = static_cast<uint8_t>((pixel[c] * (255 - alpha) + colour[c] * alpha + 127) / 255);
      }
    }
    x += face->glyph->advance.x >> 6;
  }
}

std::string Font::shorten(const std::string& utf8, int64_t limit) const {
  if (!face_) return utf8;
  const int64_t room = limit - width("…");
  int64_t used = 0;
  size_t kept = 0;  // bytes of the longest beginning that leaves room for the ellipsis
  for (size_t at = 0; at < utf8.size();) {
    used += advance(static_cast<FT_Face>(face_), next_point(utf8, at));
    if (used <= room) kept = at;
    if (used > limit) return utf8.substr(0, kept) + "…";
  }
  return utf8;
}

}  // namespace vitrail
