#include "ops/registry.h"

#include <algorithm>

#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Operators read their required inputs without looking.
void check_inputs(const OperatorSpec& spec, size_t required) {
  if (required == OperatorRegistry::all_inputs) required = std::max<size_t>(1, spec.inputs());
  for (size_t i = 0; i < required; ++i)
    if (!spec.has_input(i))
      throw ModelError("input " + std::to_string(i) + " is missing; expected at least " + std::to_string(required) +
                       ". The file is broken: export it again.");
}

}  // namespace

const OperatorRegistry& OperatorRegistry::all() {
  static const OperatorRegistry registry = [] {
    OperatorRegistry all;
    for (auto family : {register_elementwise, register_activations, register_logic, register_reductions,
                        register_convolution, register_pooling, register_linear, register_normalization,
                        register_attention, register_resize, register_shape, register_indexing, register_selection,
                        register_sampling, register_quantization, register_creation})
      family(all);
    return all;
  }();
  return registry;
}

void OperatorRegistry::add(const std::string& op_type, OperatorFactory factory, size_t required_inputs) {
  const bool is_new = entries_.emplace(op_type, Entry{std::move(factory), required_inputs}).second;
  VITRAIL_CHECK(is_new, "the operator " + op_type + " is registered twice");
}

std::unique_ptr<Operator> OperatorRegistry::make(const OperatorSpec& spec) const {
  const NodeSpec& node = spec.node;
  const std::string title = node_title(node) + " (opset " + std::to_string(node.opset) + ")";
  const auto it = entries_.find(node.op_type);
  if (!has(node.op_type, node.domain)) throw ModelError(title + ": vitrail does not have this operator.");
  try {
    check_inputs(spec, it->second.required_inputs);
    return it->second.make(spec);
  } catch (...) {
    rethrow_at(title);
  }
}

bool OperatorRegistry::has(const std::string& op_type, const std::string& domain) const {
  return domain.empty() && entries_.count(op_type) > 0;
}

std::vector<std::string> OperatorRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

}  // namespace vitrail
