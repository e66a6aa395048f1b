#include <vitrail/explanation.h>

#include <array>
#include <cstdio>

#include "attribution/options.h"

namespace vitrail {

namespace {

/// Four significant digits: for people.
std::string brief(double value) {
  std::array<char, 32> text;
  const int length = std::snprintf(text.data(), text.size(), "%.4g", value);
  return {text.data(), static_cast<size_t>(length)};
}

std::string describe(const Target& target) {
  std::string text = "target " + target.string;
  if (target.index >= 0) text += " = class " + std::to_string(target.index);
  if (target.versus >= 0) text += " versus " + std::to_string(target.versus);
  return text + (target.label.empty() ? "" : " (" + target.label + ")");
}

std::string size_of(const Tensor& map) { return std::to_string(map.size(0)) + " x " + std::to_string(map.size(1)); }

std::string describe_map(const Explanation& result) {
  std::string text = "map " + size_of(result.map) + ", " + brief(result.map.min().item<double>()) + " to " +
                     brief(result.map.max().item<double>()) + " " + result.unit +
                     (result.is_signed ? ", signed" : ", unsigned");
  if (result.cells.defined()) text += ", from " + size_of(result.cells) + " cells";
  return text;
}

std::string describe_cost(const Explanation& result) {
  return std::to_string(result.forwards) + " forwards, " + std::to_string(result.backwards) + " backwards, " +
         brief(result.seconds) + " s, seed " + std::to_string(result.seed) +
         (result.baseline.empty() ? "" : ", baseline " + result.baseline);
}

}  // namespace

std::string Explanation::summary() const {
  std::vector<std::string> lines = {method + (partial ? " (partial: stopped early)" : ""),
                                    describe(target) + ", score " + brief(score) + " " + target.unit_name()};
  if (map.defined()) lines.push_back(describe_map(*this));
  if (standard_error.defined()) lines.push_back("largest standard error " + brief(standard_error.max().item<double>()));
  if (completeness_gap) lines.push_back("completeness gap " + brief(*completeness_gap));
  lines.push_back(describe_cost(*this));
  std::vector<std::string> choices;
  for (const auto& [key, value] : plan) choices.push_back(key + " " + value);
  if (!choices.empty()) lines.push_back("plan: " + join(choices, "; "));
  for (const std::string& warning : warnings) lines.push_back("warning: " + warning);
  return join(lines, "\n  ") + "\n";
}

}  // namespace vitrail
