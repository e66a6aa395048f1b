#include "model/resolve.h"

#include <cctype>
#include <cstdio>

#include "vitrail/error.h"

namespace vitrail {

std::vector<Target> resolve(std::span<const std::string> strings, const TargetContext& context) {
  std::vector<Target> found;
  for (const std::string& string : strings) {
    const TargetSyntax syntax = parse_target(string);
    Target target;
    target.string = string;
    target.unit = syntax.unit;
    switch (context.output.kind) {
      case OutputKind::segmentation:
        resolve_zone(syntax, target, context, found);
        break;
      case OutputKind::boxes:
        resolve_box(syntax, target, context, found);
        break;
      default:
        resolve_row(syntax, target, context, found);
    }
  }
  return found;
}

void refuse_target(const std::string& string, OutputKind kind) {
  std::string has;
  switch (kind) {
    case OutputKind::logits:
      has = "top1, topK, a class index or label, logit:T, prob:T, A-vs-B, out:N or similar:FILE";
      break;
    case OutputKind::regression:
    case OutputKind::embedding:
      has = "out:N, -out:N, out:all or similar:FILE";
      break;
    case OutputKind::segmentation:
      has = "top1, topK, class:T, zone:x:y or mask:FILE";
      break;
    case OutputKind::boxes:
      has = "top1, topK, box:N, box:all, rect:x0:y0:x1:y1 or class:T";
      break;
  }
  throw UsageError("the target '" + string + "' does not fit this model, whose output is of the kind " +
                   to_string(kind) + "; expected " + has + ".");
}

std::string file_word(const std::string& text) {
  std::string word;
  for (const unsigned char c : text) {
    if (std::isalnum(c) && c < 128)
      word += static_cast<char>(std::tolower(c));
    else if (!word.empty() && word.back() != '-')
      word += '-';
  }
  while (!word.empty() && word.back() == '-') word.pop_back();
  return word.empty() ? "x" : word;
}

std::string pixels_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

double to_photo_x(double x, const PreparedImage& photo) {
  const auto width = static_cast<double>(photo.input.size(3));
  return photo.placed.x0 + x / width * (photo.placed.x1 - photo.placed.x0);
}

double to_photo_y(double y, const PreparedImage& photo) {
  const auto height = static_cast<double>(photo.input.size(2));
  return photo.placed.y0 + y / height * (photo.placed.y1 - photo.placed.y0);
}

}  // namespace vitrail
