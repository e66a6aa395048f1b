#include "catalogue.h"

#include <iostream>

#include "terminal.h"

namespace vitrail::cli {

nlohmann::ordered_json options_to_json(const std::vector<OptionInfo>& options) {
  auto json = nlohmann::ordered_json::array();
  for (const OptionInfo& option : options)
    json.push_back({{"name", option.name},
                    {"type", option.type},
                    {"default", option.default_value},
                    {"description", option.description}});
  return json;
}

void print_title(const std::string& name, const std::vector<std::string>& aliases, const std::string& summary) {
  std::cout << name;
  for (const std::string& alias : aliases) std::cout << " (" << alias << ")";
  std::cout << ": " << summary << "\n\n";
}

void print_options(const std::string& name, const std::vector<OptionInfo>& options) {
  if (options.empty()) return;
  std::cout << "\nOptions with their defaults, as in \"" << name << ":" << options[0].name << "="
            << options[0].default_value << "\"\n";
  std::vector<std::vector<std::string>> rows;
  for (const OptionInfo& option : options)
    rows.push_back({option.name + "=" + option.default_value, option.type, option.description});
  print_table(rows, "  ");
}

}  // namespace vitrail::cli
