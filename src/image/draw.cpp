#include "image/draw.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace vitrail {
namespace {

std::string find_font() {
  if (const char* chosen = std::getenv("VITRAIL_FONT")) return chosen;
  for (const char* path : {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf",
                           "/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf"})
    if (std::filesystem::exists(path)) return path;
  return {};
}

/// Code points; broken sequences become question marks.
std::vector<uint32_t> decode_utf8(const std::string& text) {
  std::vector<uint32_t> points;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int extra = lead < 0x80 ? 0 : lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : -1;
    if (extra < 0 || i + extra >= text.size() + (extra == 0)) {
      points.push_back('?');
      ++i;
      continue;
    }
    uint32_t point = extra == 0 ? lead : lead & (0x3F >> extra);
    for (int k = 1; k <= extra; ++k) point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    points.push_back(point);
    i += extra + 1;
  }
  return points;
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
  FT_Set_Pixel_Sizes(face, 0, pixels);
  face_ = face;
}

Font::~Font() {
  if (face_) FT_Done_Face(static_cast<FT_Face>(face_));
  if (library_) FT_Done_FreeType(static_cast<FT_Library>(library_));
}

int64_t Font::width(const std::string& utf8) const {
  if (!face_) return 0;
  auto* face = static_cast<FT_Face>(face_);
  int64_t width = 0;
  for (uint32_t point : decode_utf8(utf8))
    if (FT_Load_Char(face, point, FT_LOAD_DEFAULT) == 0) width += face->glyph->advance.x >> 6;
  return width;
}

void Font::write(const Tensor& canvas, int64_t x, int64_t y, const std::string& utf8, Rgb colour) const {
  if (!face_) return;
  auto* face = static_cast<FT_Face>(face_);
  auto* pixels = canvas.data_ptr<uint8_t>();
  const int64_t rows = canvas.size(0), columns = canvas.size(1);
  for (uint32_t point : decode_utf8(utf8)) {
    if (FT_Load_Char(face, point, FT_LOAD_RENDER) != 0) continue;
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
  if (width(utf8) <= limit) return utf8;
  std::string text = utf8;
  while (!text.empty() && width(text + "…") > limit) {
    // Whole characters: continuation bytes go with their lead byte.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
  }
  return text + "…";
}

}  // namespace vitrail
