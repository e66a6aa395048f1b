#include "model/target_syntax.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "vitrail/error.h"

namespace vitrail {

const std::string kTargetForms =
    "Expected top1, topK, a class index, a label, logit:T, prob:T, A-vs-B, out:N, similar:FILE, box:N, box:all, "
    "rect:x0:y0:x1:y1, class:T, zone:x:y or mask:FILE.";

namespace {

constexpr int64_t kMostTargets = 1000;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size());
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

bool take(std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return false;
  text = text.substr(prefix.size());
  return true;
}

/// The pieces from `begin` on, as they stood: labels may hold colons.
std::string rest_of(const std::vector<std::string>& pieces, size_t begin) {
  std::string text;
  for (size_t i = begin; i < pieces.size(); ++i) text += (i > begin ? ":" : "") + pieces[i];
  return text;
}

std::vector<double> coordinates(const std::vector<std::string>& pieces, size_t count, const std::string& string,
                                const std::string& expected) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    double value = 0;
    const std::string text = i < pieces.size() ? pieces[i] : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(std::abs(value) < 1e6))
      throw UsageError("the target '" + string + "' has '" + text +
                       "' where a number of pixels was expected: " + expected + ", in pixels of the photo.");
    values.push_back(value);
  }
  return values;
}

/// The end of a box target: one factor, or a class.
void read_box_end(TargetSyntax& syntax, const std::string& end) {
  if (end == "position")
    syntax.part = BoxPart::position;
  else if (end == "confidence")
    syntax.part = BoxPart::confidence;
  else if (end == "class")
    syntax.part = BoxPart::similarity;
  else
    syntax.first = end;
}

void read_box(TargetSyntax& syntax, const std::string& rest, const std::string& string) {
  syntax.form = TargetForm::box;
  syntax.unit = TargetUnit::score;
  const std::vector<std::string> pieces = split(rest);
  if (pieces[0] != "all") {
    syntax.box = whole_number(pieces[0]);
    if (!syntax.box || *syntax.box < 1)
      throw UsageError("the target '" + string + "' names the box '" + pieces[0] +
                       "'; expected box:N with N from 1 (the best), or box:all.");
  }
  read_box_end(syntax, rest_of(pieces, 1));
}

void read_rectangle(TargetSyntax& syntax, const std::string& rest, const std::string& string) {
  syntax.form = TargetForm::rectangle;
  syntax.unit = TargetUnit::score;
  const std::vector<std::string> pieces = split(rest);
  syntax.coordinates = coordinates(pieces, 4, string, "rect:x0:y0:x1:y1");
  const std::vector<double>& corner = syntax.coordinates;
  if (!(corner[0] < corner[2]) || !(corner[1] < corner[3]))
    throw UsageError("the rectangle of the target '" + string + "' is empty; expected x0 < x1 and y0 < y1.");
  read_box_end(syntax, rest_of(pieces, 4));
  if (syntax.part == BoxPart::similarity)
    throw UsageError("the target '" + string + "' asks for the class of a rectangle; name the class instead, as in " +
                     "rect:x0:y0:x1:y1:dog.");
}

void read_zone(TargetSyntax& syntax, const std::string& rest, const std::string& string) {
  syntax.form = TargetForm::zone;
  const std::vector<std::string> pieces = split(rest);
  syntax.coordinates = coordinates(pieces, 2, string, "zone:x:y");
  const std::string end = rest_of(pieces, 2);
  if (end == "inner")
    syntax.zone = ZonePart::inner;
  else if (end == "outer")
    syntax.zone = ZonePart::outer;
  else if (!end.empty())
    throw UsageError("the target '" + string + "' ends in '" + end + "'; expected zone:x:y, zone:x:y:inner or " +
                     "zone:x:y:outer.");
}

bool is_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

/// FILE, or FILE:CLASS where there is no file of the whole name.
void read_file(TargetSyntax& syntax, const std::string& rest, const std::string& string, bool with_class) {
  syntax.file = rest;
  const size_t colon = rest.rfind(':');
  if (!is_file(syntax.file) && with_class && colon != std::string::npos) {
    syntax.file = rest.substr(0, colon);
    syntax.first = rest.substr(colon + 1);
  }
  if (!is_file(syntax.file))
    throw UsageError("the target '" + string + "' names the file " + syntax.file.string() +
                     ", which does not exist; expected a picture.");
}

/// A sum of outputs: "3", "-3", "3:-5" or "all", all of it with one more sign.
void read_outputs(TargetSyntax& syntax, const std::string& rest, double sign, const std::string& string) {
  syntax.form = TargetForm::outputs;
  syntax.unit = TargetUnit::value;
  if (rest == "all") {
    syntax.signs = {sign};
    return;
  }
  for (std::string piece : split(rest)) {
    const double own = take(piece, "-") ? -sign : sign;
    const auto index = whole_number(piece);
    if (!index)
      throw UsageError("the target '" + string + "' names the output '" + piece +
                       "'; expected out:N with N from 0, -out:N, out:3:-5 or out:all.");
    if (std::find(syntax.outputs.begin(), syntax.outputs.end(), *index) != syntax.outputs.end())
      throw UsageError("the target '" + string + "' names output " + piece + " twice.");
    syntax.outputs.push_back(*index);
    syntax.signs.push_back(own);
  }
}

void read_contrast(TargetSyntax& syntax, const std::string& rest, size_t versus, const std::string& string) {
  syntax.second = rest.substr(versus + 4);
  if (syntax.first.empty() || syntax.second.empty())
    throw UsageError("the contrast '" + string + "' needs a class on both sides, e.g. 282-vs-285.");
  if (syntax.unit == TargetUnit::probability)
    throw UsageError("the target '" + string +
                     "' is a contrast of probabilities; contrasts are of logits: leave out 'prob:'.");
  if (syntax.second != "similar") return;
  syntax.second.clear();
  syntax.versus_similar = true;
}

void read_class(TargetSyntax& syntax, const std::string& rest, const std::string& string) {
  if (rest.empty()) throw UsageError("the target '" + string + "' names no class. " + kTargetForms);
  if (const auto count = rank_of(rest)) {
    if (*count < 1 || *count > kMostTargets)
      throw UsageError("the target '" + string + "' asks for " + std::to_string(*count) + " classes; expected 1 to " +
                       std::to_string(kMostTargets) + ".");
    syntax.form = TargetForm::top;
    syntax.count = *count;
    return;
  }
  const size_t versus = rest.find("-vs-");
  syntax.first = rest.substr(0, versus);
  if (versus != std::string::npos) read_contrast(syntax, rest, versus, string);
}

}  // namespace

std::optional<int64_t> whole_number(const std::string& text) {
  if (text.empty() || text.size() > 9 ||
      !std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }))
    return std::nullopt;
  return std::stoll(text);
}

std::optional<int64_t> rank_of(const std::string& name) {
  return name.starts_with("top") ? whole_number(name.substr(3)) : std::nullopt;
}

TargetSyntax parse_target(const std::string& string) {
  TargetSyntax syntax;
  std::string rest = string;
  if (take(rest, "box:")) {
    read_box(syntax, rest, string);
  } else if (take(rest, "rect:")) {
    read_rectangle(syntax, rest, string);
  } else if (take(rest, "zone:")) {
    read_zone(syntax, rest, string);
  } else if (take(rest, "mask:")) {
    syntax.form = TargetForm::mask;
    read_file(syntax, rest, string, /*with_class=*/true);
  } else if (take(rest, "similar:")) {
    syntax.form = TargetForm::similar;
    syntax.unit = TargetUnit::similarity;
    read_file(syntax, rest, string, /*with_class=*/false);
  } else if (take(rest, "-out:")) {
    read_outputs(syntax, rest, -1, string);
  } else if (take(rest, "out:")) {
    read_outputs(syntax, rest, 1, string);
  } else {
    if (take(rest, "prob:"))
      syntax.unit = TargetUnit::probability;
    else if (!take(rest, "logit:"))
      take(rest, "class:");
    read_class(syntax, rest, string);
  }
  return syntax;
}

void check_target_syntax(const std::string& string) { parse_target(string); }

}  // namespace vitrail
