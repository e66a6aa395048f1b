#pragma once

// A target string taken apart; names are not looked up yet. The grammar is in vitrail/target.h.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/detection/box_target.h"
#include "vitrail/target.h"

namespace vitrail {

enum class TargetForm { top, classes, outputs, similar, box, rectangle, zone, mask };
enum class ZonePart { all, inner, outer };

struct TargetSyntax {
  TargetForm form = TargetForm::classes;
  TargetUnit unit = TargetUnit::logit;
  int64_t count = 0;                ///< of topK
  std::string first, second;        ///< a class by index or label; `second` only for contrasts
  bool versus_similar = false;      ///< a contrast with the classes nearest in score
  std::vector<int64_t> outputs;     ///< by index; empty: all
  std::vector<double> signs;        ///< one an output; of all outputs the one sign
  std::optional<int64_t> box;       ///< of box:N, from 1; nothing: box:all
  std::vector<double> coordinates;  ///< of a rectangle (four) or a zone (two), in pixels of the photo
  BoxPart part = BoxPart::all;
  ZonePart zone = ZonePart::all;
  std::filesystem::path file;
};

/// Throws UsageError for a wrong form and for a file that is not there.
TargetSyntax parse_target(const std::string& string);

/// Digits as a number, else nothing.
std::optional<int64_t> whole_number(const std::string& text);

/// K of "topK", else nothing.
std::optional<int64_t> rank_of(const std::string& name);

extern const std::string kTargetForms;

}  // namespace vitrail
