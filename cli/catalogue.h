#pragma once

// How methods and metrics are listed: what both have.

#include <vitrail/method.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vitrail::cli {

nlohmann::ordered_json options_to_json(const std::vector<OptionInfo>& options);

/// "name (alias, alias): summary" and an empty line.
void print_title(const std::string& name, const std::vector<std::string>& aliases, const std::string& summary);

/// A table of the options with their defaults; nothing where there is none.
void print_options(const std::string& name, const std::vector<OptionInfo>& options);

}  // namespace vitrail::cli
