#include <vitrail/explanation.h>

#include "attribution/options.h"
#include "base/display.h"

namespace vitrail {

namespace {

std::string describe(const Target& target) {
  std::string text = "target " + target.string;
  if (target.index >= 0) text += " = class " + std::to_string(target.index);
  if (target.versus >= 0) text += " versus " + std::to_string(target.versus);
  return text + (target.label.empty() ? "" : " (" + target.label + ")");
}

std::string size_of(const Tensor& map) { return std::to_string(map.size(0)) + " x " + std::to_string(map.size(1)); }

std::string describe_map(const Explanation& result) {
  std::string text = "map " + size_of(result.map) + ", " + show_number(result.map.min().item<double>()) + " to " +
                     show_number(result.map.max().item<double>()) + " " + result.unit +
                     (result.is_signed ? ", signed" : ", unsigned");
  if (result.cells.defined()) text += ", from " + size_of(result.cells) + " cells";
  return text;
}

std::string describe_cost(const Explanation& result) {
  return show_cost(result.forwards, result.backwards) + ", " + show_duration(result.seconds) + ", seed " +
         std::to_string(result.seed) + (result.baseline.empty() ? "" : ", baseline " + result.baseline);
}

}  // namespace

std::string Explanation::summary() const {
  std::vector<std::string> lines = {method + (partial ? " (partial: stopped early)" : ""),
                                    describe(target) + ", score " + show_number(score) + " " + target.unit_name()};
  if (map.defined()) lines.push_back(describe_map(*this));
  if (standard_error.defined())
    lines.push_back("largest standard error " + show_number(standard_error.max().item<double>()));
  if (completeness_gap) lines.push_back("completeness gap " + show_number(*completeness_gap));
  lines.push_back(describe_cost(*this));
  std::vector<std::string> choices;
  for (const auto& [key, value] : plan) choices.push_back(key + " " + value);
  if (!choices.empty()) lines.push_back("plan: " + join(choices, "; "));
  for (const std::string& warning : warnings) lines.push_back("warning: " + warning);
  return join(lines, "\n  ") + "\n";
}

}  // namespace vitrail
