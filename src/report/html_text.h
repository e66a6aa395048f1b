#pragma once

// Pieces of HTML text.

#include <vitrail/tensor.h>

#include <cstddef>
#include <span>
#include <string>

namespace vitrail {

/// Text as HTML text or attribute value.
std::string escape_html(const std::string& text);

std::string base64(std::span<const std::byte> bytes);

/// An element; `content` is HTML. No attribute where `classes` is empty.
std::string tag(const std::string& name, const std::string& classes, const std::string& content);

/// A PNG file, in base64, as a picture inside the text.
std::string png_picture(const std::string& base64_text, const std::string& description);

/// Pixels, uint8 [H,W,3], as a picture inside the text; scaled down to `most` pixels along its longer side.
std::string picture(const Tensor& pixels, const std::string& description, int64_t most = 640);

}  // namespace vitrail
