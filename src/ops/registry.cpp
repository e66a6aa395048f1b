#include "ops/registry.h"

#include <set>
#include <string_view>

#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// How many inputs the schema requires, in front of the optional ones: one, unless the operator is listed.
size_t required_inputs(const std::string& op_type) {
  static const std::set<std::string_view> kTwo = {"Add",
                                                  "And",
                                                  "CastLike",
                                                  "Conv",
                                                  "ConvTranspose",
                                                  "CumSum",
                                                  "Div",
                                                  "Equal",
                                                  "Expand",
                                                  "Gather",
                                                  "GatherElements",
                                                  "GatherND",
                                                  "Gemm",
                                                  "Greater",
                                                  "GreaterOrEqual",
                                                  "LayerNormalization",
                                                  "Less",
                                                  "LessOrEqual",
                                                  "MatMul",
                                                  "Mod",
                                                  "Mul",
                                                  "Or",
                                                  "PRelu",
                                                  "Pad",
                                                  "Pow",
                                                  "Reshape",
                                                  "Sub",
                                                  "Tile",
                                                  "TopK",
                                                  "Unsqueeze",
                                                  "Xor"};
  static const std::set<std::string_view> kThree = {
      "Attention", "GroupNormalization", "InstanceNormalization", "Range", "ScatterND", "Slice", "Where"};
  if (op_type == "BatchNormalization") return 5;
  return kThree.count(op_type) ? 3 : kTwo.count(op_type) ? 2 : 1;
}

/// Operators read their required inputs without looking.
void check_inputs(const OperatorSpec& spec) {
  const size_t required = required_inputs(spec.node.op_type);
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
                        register_attention, register_resize, register_shape, register_indexing, register_creation})
      family(all);
    return all;
  }();
  return registry;
}

void OperatorRegistry::add(const std::string& op_type, OperatorFactory factory, const std::string& domain) {
  const bool is_new = factories_.emplace(std::pair(domain, op_type), std::move(factory)).second;
  VITRAIL_CHECK(is_new, "the operator " + op_type + " is registered twice");
}

std::unique_ptr<Operator> OperatorRegistry::make(const OperatorSpec& spec) const {
  const NodeSpec& node = spec.node;
  const std::string title = node_title(node) + " (opset " + std::to_string(node.opset) + ")";
  auto it = factories_.find({node.domain, node.op_type});
  if (it == factories_.end()) throw ModelError(title + ": vitrail does not have this operator.");
  try {
    check_inputs(spec);
    return it->second(spec);
  } catch (...) {
    rethrow_at(title);
  }
}

bool OperatorRegistry::has(const std::string& op_type, const std::string& domain) const {
  return factories_.count({domain, op_type}) > 0;
}

std::vector<std::string> OperatorRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [key, factory] : factories_)
    names.push_back(key.first.empty() ? key.second : key.first + "." + key.second);
  return names;
}

}  // namespace vitrail
