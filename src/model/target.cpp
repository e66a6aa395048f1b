#include "vitrail/target.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include "model/resolve.h"

namespace vitrail {

Tensor Target::score(const ModelOutput& output) const {
  if (function) return function->score(output);
  const Tensor& logits = output.scores;
  if (unit == TargetUnit::probability) return at::softmax(logits, 1).select(1, index);
  return versus >= 0 ? logits.select(1, index) - logits.select(1, versus) : logits.select(1, index);
}

std::string Target::unit_name() const {
  switch (unit) {
    case TargetUnit::logit:
      return "logit";
    case TargetUnit::probability:
      return "probability";
    case TargetUnit::score:
      return "box score";
    case TargetUnit::similarity:
      return "similarity";
    case TargetUnit::value:
      return "value";
  }
  return {};
}

std::string Target::slug() const {
  if (!name.empty()) return name;
  std::string text = unit == TargetUnit::probability ? "prob-" : "";
  text += std::to_string(index);
  if (versus >= 0) text += "-vs-" + std::to_string(versus);
  return text;
}

std::string Target::title() const {
  if (!label.empty()) return label + " (" + slug() + ")";
  return name.empty() ? "class " + slug() : slug();
}

std::vector<Target> resolve_targets(std::span<const std::string> strings, const Tensor& logits,
                                    const std::vector<std::string>& labels) {
  return resolve(strings, {{OutputKind::logits, logits.reshape({1, -1}), {}, {}}, labels});
}

Tensor target_scores(const ModelOutput& output, std::span<const Target> targets) {
  Tensors columns;
  for (const Target& target : targets) columns.push_back(target.score(output));
  return at::stack(columns, 1);
}

Tensor target_scores(const Tensor& logits, std::span<const Target> targets) {
  return target_scores(ModelOutput{OutputKind::logits, logits, {}, {}}, targets);
}

}  // namespace vitrail
