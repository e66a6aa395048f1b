#include "model/json_text.h"

#include "vitrail/error.h"

namespace vitrail {

nlohmann::json parse_json(const std::string& text, const std::string& where) {
  constexpr int kMaxNesting = 64;
  const auto check_depth = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    if (depth > kMaxNesting)
      throw UsageError(where + " is nested more than " + std::to_string(kMaxNesting) + " levels deep.");
    return true;
  };
  try {
    return nlohmann::json::parse(text, check_depth);
  } catch (const nlohmann::json::exception& error) {
    throw UsageError(where + " is not valid JSON: " + error.what());
  }
}

}  // namespace vitrail
