#include "graph/draft.h"

#include <algorithm>

#include "ops/registry.h"

namespace vitrail {

bool is_control_flow(const NodeSpec& node) {
  return node.domain.empty() && (node.op_type == "If" || node.op_type == "Loop");
}

std::shared_ptr<const Operator> make_draft_operator(const NodeSpec& spec, const Draft& draft) {
  OperatorSpec full{spec, {}};
  for (const std::string& name : spec.inputs) {
    const Tensor* constant = draft.constant(name);
    full.constants.push_back(constant ? *constant : Tensor());
  }
  return OperatorRegistry::all().make(full);
}

void remove_dead(Draft& draft) {
  std::set<std::string> needed;
  for (const OnnxValue& output : draft.outputs) needed.insert(output.name);
  std::vector<DraftNode> kept;
  for (auto node = draft.nodes.rbegin(); node != draft.nodes.rend(); ++node) {
    const auto& outputs = node->spec.outputs;
    if (std::none_of(outputs.begin(), outputs.end(), [&](const auto& name) { return needed.count(name) > 0; }))
      continue;
    needed.insert(node->spec.inputs.begin(), node->spec.inputs.end());
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  draft.nodes = std::move(kept);
  std::erase_if(draft.constants, [&](const auto& entry) { return needed.count(entry.first) == 0; });
}

}  // namespace vitrail
