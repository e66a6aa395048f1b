#pragma once

// Methods of one kind: what they share is said once.

#include <vitrail/method.h>

#include <string>
#include <utility>

namespace vitrail {

struct MethodKind {
  std::string family;
  Access access = Access::scorer;
  std::string unit;
  bool is_signed = true;
  bool scores_inputs = false;
};

/// What tells a method from others of its kind.
struct MethodText {
  std::string name, summary, formula, cost, guarantees, source;
};

inline MethodInfo describe(const MethodKind& kind, MethodText text) {
  return {.name = std::move(text.name),
          .family = kind.family,
          .summary = std::move(text.summary),
          .formula = std::move(text.formula),
          .cost = std::move(text.cost),
          .guarantees = std::move(text.guarantees),
          .source = std::move(text.source),
          .access = kind.access,
          .scores_inputs = kind.scores_inputs,
          .is_signed = kind.is_signed,
          .unit = kind.unit};
}

}  // namespace vitrail
