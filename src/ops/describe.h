#pragma once

// Small pieces of text for describe() and for error messages.

#include <string>

#include "ops/arguments.h"

namespace vitrail {

/// "[1,3,224,224]"
inline std::string shape_text(const Tensor& x) { return "[" + join(x.sizes().vec()) + "]"; }

/// "axes=2,3" where the argument is a constant, else nothing.
inline std::string describe_constant(const std::string& name, const IntsArgument& argument) {
  return argument.constant() ? name + "=" + join(*argument.constant()) : std::string();
}

/// Adds a part to a list of words; an empty one changes nothing.
inline void add_word(std::string& text, const std::string& word) {
  if (!text.empty() && !word.empty()) text += ' ';
  text += word;
}

}  // namespace vitrail
