#pragma once

// Drawing on uint8 [H,W,3] canvases: filled rectangles, pasted images, anti-aliased text.

#include <array>
#include <string>

#include "vitrail/tensor.h"

namespace vitrail {

using Rgb = std::array<uint8_t, 3>;

Tensor make_canvas(int64_t height, int64_t width, Rgb colour);

/// Fills the part of the rectangle that lies on the canvas.
void fill(const Tensor& canvas, int64_t x, int64_t y, int64_t width, int64_t height, Rgb colour);

/// Copies uint8 [h,w,3] with its top left corner at (x,y); it must fit.
void paste(const Tensor& canvas, const Tensor& image, int64_t x, int64_t y);

/// DejaVu Sans at one size. Found in the usual folders or at $VITRAIL_FONT; without it no text is drawn
/// and `available` says so. One object a thread.
class Font {
 public:
  explicit Font(int pixels);
  ~Font();
  Font(const Font&) = delete;

  bool available() const { return face_ != nullptr; }
  int64_t width(const std::string& utf8) const;
  int64_t line_height() const { return pixels_ + pixels_ / 3; }

  /// Writes with the baseline at y; what lies outside the canvas is cut off.
  void write(const Tensor& canvas, int64_t x, int64_t y, const std::string& utf8, Rgb colour) const;

  /// The text, or its beginning and an ellipsis, in at most this width.
  std::string shorten(const std::string& utf8, int64_t width) const;

 private:
  int pixels_;
  void* library_ = nullptr;
  void* face_ = nullptr;
};

}  // namespace vitrail
