#pragma once

// The equation of an Einsum, a letter a dimension: "bhid,bhjd->bhij".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct EinsumEquation {
  std::vector<std::string> operands;  ///< a letter a dimension; the dimensions of "..." are digits
  std::string result;

  /// Of operands with these ranks; nothing where no result is written or an operand repeats a letter (a diagonal).
  static std::optional<EinsumEquation> read(const std::string& text, const std::vector<int64_t>& ranks);
};

}  // namespace vitrail
