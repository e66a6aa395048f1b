#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace vitrail {

/// JSON knows neither NaN nor Infinity.
inline nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

inline double number_or_nan(const nlohmann::json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

/// File names and labels may hold bytes that are no UTF-8: they are replaced.
template <class Json>
std::string to_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vitrail
