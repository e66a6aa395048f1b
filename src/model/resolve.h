#pragma once

// From target strings to targets, given what a model says of the photo.

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/target_syntax.h"
#include "vitrail/preprocess.h"
#include "vitrail/target.h"

namespace vitrail {

struct TargetContext {
  ModelOutput output;  ///< of the photo, one sample
  const std::vector<std::string>& labels;
  const PreparedImage* photo = nullptr;                                  ///< none: targets of places cannot be resolved
  SuppressionOptions suppression = {};                                   ///< of the boxes that are counted
  std::function<Tensor(const std::filesystem::path&)> row_of_file = {};  ///< [K] of another photo
};

std::vector<Target> resolve(std::span<const std::string> strings, const TargetContext& context);

/// For one kind of output each. `target` has the string and the unit; results are added to `found`.
void resolve_row(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found);
void resolve_zone(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found);
void resolve_box(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found);

/// For a target that outputs of this kind do not have.
[[noreturn]] void refuse_target(const std::string& string, OutputKind kind);

/// Lower case, all but letters and digits as single hyphens: for file names.
std::string file_word(const std::string& text);

/// A length of the photo without digits that mean nothing: "12", "12.5".
std::string pixels_text(double value);

/// x and y on the photo of a point of the input, in pixels of both.
double to_photo_x(double x, const PreparedImage& photo);
double to_photo_y(double y, const PreparedImage& photo);

}  // namespace vitrail
