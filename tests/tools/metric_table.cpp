// docs/metrics.md from the registry.

#include <vitrail/metric.h>

#include <cctype>
#include <iostream>

#include "evaluation/evidence.h"
#include "markdown.h"

namespace {

using namespace vitrail;

void print_row(const MetricInfo& info) {
  std::string name = "[" + code(info.name) + "](#" + info.name + ")";
  for (const std::string& alias : info.aliases) name += ", " + code(alias);
  std::cout << "| " << name << " | " << code(info.formula) << " | "
            << (info.direction == Direction::higher ? "higher" : "lower") << " | " << cell(info.range) << " | "
            << cell(name_of(info.evidence)) << " | " << cell(info.cost) << " |\n";
}

void print_details(const MetricInfo& info) {
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
      << "# Metrics\n\n"
         "Made by `make catalogue` from the code; not to be edited. [What to make of them](evaluation.md).\n\n"
         "A metric string is a name and options, `deletion:steps=20,baseline=blur`; `vitrail metrics NAME` says\n"
         "the same as this page, `vitrail metrics --json` says it to programs. In formulas x is the photo, phi the "
         "map,\n"
         "g the score of the target, S a set of pixels, T the region that the target is in. Costs are forwards of "
         "one map.\n";
  const std::vector<MetricInfo> all = metrics();
  std::string family;
  for (const MetricInfo& info : all) {
    if (info.family != family) {
      family = info.family;
      std::string title = family;
      title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
      std::cout << "\n## " << title
                << "\n\n| metric | formula | better | range | needs | forwards |\n|---|---|---|---|---|---|\n";
    }
    print_row(info);
  }
  std::cout << "\n## Options\n";
  for (const MetricInfo& info : all) print_details(info);
  return std::cout.flush() ? 0 : 1;
}
