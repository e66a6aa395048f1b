#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vitrail {

/// Parses JSON from a file of a stranger's. Throws UsageError naming `where` for text that is no JSON, and for
/// nesting so deep that writing a value out again would overflow the stack.
nlohmann::json parse_json(const std::string& text, const std::string& where);

}  // namespace vitrail
