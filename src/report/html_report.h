#pragma once

// The report as one HTML file: opens from the disk, refers to nothing outside, follows the reader's light
// or dark theme, runs no script. Pictures are PNGs inside the text. The pieces are written in order:
// head, a section a photo, failures and notes, tail.

#include <string>
#include <vector>

#include "vitrail/report.h"

namespace vitrail {

/// Text as HTML text or attribute value.
std::string escape_html(const std::string& text);

std::string base64(std::span<const std::byte> bytes);

std::string html_head(const Model& model);

/// `overlays`: uint8 [H,W,3], one an explanation.
std::string html_section(const ImageResult& result, const Tensors& overlays);

std::string html_failure(const std::string& image, const std::string& message);
std::string html_note(const std::string& note);
std::string html_tail();

}  // namespace vitrail
