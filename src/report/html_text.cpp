#include "report/html_text.h"

#include <algorithm>
#include <cstdint>

#include "vitrail/image.h"

namespace vitrail {

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string base64(std::span<const std::byte> bytes) {
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? letters[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string tag(const std::string& name, const std::string& classes, const std::string& content) {
  return "<" + name + (classes.empty() ? "" : " class=\"" + classes + "\"") + ">" + content + "</" + name + ">";
}

std::string png_picture(const std::string& base64_text, const std::string& description) {
  return "<img alt=\"" + escape_html(description) + "\" src=\"data:image/png;base64," + base64_text + "\">";
}

std::string picture(const Tensor& pixels, const std::string& description, int64_t most) {
  const int64_t height = pixels.size(0), width = pixels.size(1), side = std::max(height, width);
  const auto scaled = [side, most](int64_t n) { return std::max<int64_t>(1, (n * most + side / 2) / side); };
  const Tensor small = side <= most ? pixels : resize(pixels, scaled(height), scaled(width), ResizeFilter::bilinear);
  return png_picture(base64(encode_png(small)), description);
}

}  // namespace vitrail
