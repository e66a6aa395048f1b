#pragma once

// The report as one HTML file: opens from the disk, refers to nothing outside, follows the reader's light
// or dark theme, runs no script. Pictures are PNGs inside the text. The pieces are written in order:
// head, notes, a section a folder (a photo with its result or the reason why it has none), tail.

#include <filesystem>
#include <string>
#include <vector>

#include "vitrail/report.h"
#include "vitrail/saved_result.h"

namespace vitrail {

std::string html_head(const Model& model);

/// `photo`: uint8 [H,W,3], or undefined where it is no longer there. `overlays`: PNG files, one an explanation; empty
/// ones are left out. `model_sha256`: of the model at the head of the report; a result of another one says so.
std::string html_section(const SavedResult& result, const Tensor& photo, const std::vector<std::string>& overlays,
                         const std::string& model_sha256);

/// What a folder of the output holds: a section, a failure, or nothing.
std::string html_of_folder(const std::filesystem::path& folder, const std::string& model_sha256);

std::string html_failure(const std::string& image, const std::string& message);
std::string html_note(const std::string& note);
std::string html_tail();

}  // namespace vitrail
