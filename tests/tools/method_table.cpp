// Prints docs/methods.md: every method of the registry, as it describes itself.
//
//   method_table > docs/methods.md

#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "attribution/access.h"
#include "base/display.h"
#include "markdown.h"
#include "vitrail/method.h"

namespace {

using namespace vitrail;

constexpr int64_t kSide = 224;  // of the input that costs are given for

const std::map<std::string, std::string> kFamilies = {
    {"gradient", "Gradients"},  {"cam", "Class-activation maps"}, {"perturbation", "Perturbation"},
    {"relevance", "Relevance"}, {"control", "Controls"},
};

std::string title_of(const std::string& family) {
  const auto found = kFamilies.find(family);
  if (found != kFamilies.end()) return found->second;
  std::string title = family;
  if (!title.empty()) title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

/// What one target on a photo of 224 pixels costs with the defaults.
std::string cost_of(const MethodInfo& info) {
  const Method::Cost cost = parse_method(info.name)->cost(kSide, kSide, 1);
  return cell(info.cost) + "; " + show_cost(cost.forwards, cost.backwards) + " at the defaults";
}

std::string options_of(const MethodInfo& info) {
  std::string text;
  for (const OptionInfo& option : info.options)
    text += (text.empty() ? "" : " ") + code(option.name + "=" + option.default_value);
  return text.empty() ? "none" : text;
}

void print_row(const MethodInfo& info) {
  std::string name = "[" + code(info.name) + "](#" + info.name + ")";
  for (const std::string& alias : info.aliases) name += ", " + code(alias);
  std::cout << "| ![" << info.name << "](images/methods/" << info.name << ".webp)<br>" << name << " | "
            << (info.formula.empty() ? "" : code(info.formula)) << " | " << name_of(info.access) << " | "
            << (info.is_signed ? "signed" : "unsigned") << ", " << cell(info.unit) << " | " << cost_of(info) << " | "
            << cell(info.guarantees) << " | " << options_of(info) << " |\n";
}

void print_details(const MethodInfo& info) {
  std::cout << "\n### " << info.name << "\n\n" << info.summary << " Source: " << info.source << ".\n";
  if (info.options.empty()) return;
  std::cout << "\n| option | default | values | meaning |\n|---|---|---|---|\n";
  for (const OptionInfo& option : info.options)
    std::cout << "| " << code(option.name) << " | " << code(option.default_value) << " | " << cell(option.type) << " | "
              << cell(option.description) << " |\n";
}

}  // namespace

int main() {
  std::cout
      << "# Methods\n\n"
         "Made by `make catalogue` from the code; not to be edited. [Which one to use](which_method.md).\n\n"
         "A method string is a name and options, `sobol:grid=8,designs=16`; `vitrail methods NAME` says the same as\n"
         "this page, `vitrail methods --json` says it to programs. In formulas x is the input, b the baseline that\n"
         "replaces hidden input, g the score of the target, A a layer's value, M a mask. Costs are for one target and\n"
         "an input of 224 x 224; targets share forwards. The pictures, made by `make pictures`, explain the top class "
         "of\n"
         "the same photo by the model of `make demo` with every method's defaults: bright speaks for the class; in\n"
         "signed maps one colour speaks for it and the other against it.\n";
  const std::vector<MethodInfo> all = methods();
  std::vector<std::string> families;
  for (const MethodInfo& info : all)
    if (families.empty() || families.back() != info.family) families.push_back(info.family);
  for (const std::string& family : families) {
    std::cout << "\n## " << title_of(family)
              << "\n\n| method | formula | needs | map | cost | guarantees | options with defaults |\n"
                 "|---|---|---|---|---|---|---|\n";
    for (const MethodInfo& info : all)
      if (info.family == family) print_row(info);
  }
  std::cout << "\n## Options\n";
  for (const MethodInfo& info : all) print_details(info);
  return std::cout.flush() ? 0 : 1;
}
