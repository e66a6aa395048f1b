#include "plan/bind.h"

#include <unordered_map>
#include <utility>

namespace vitrail {

namespace {

/// Where an operator reads a constant without waiting for the device: numbers that become arguments of a kernel on the
/// CPU, positions that a kernel reads on the device.
Tensor placed(const Tensor& constant, const NodeSpec& node, size_t input, const c10::Device& device) {
  const std::string& op = node.op_type;
  const bool is_number = constant.numel() == 1 && ((op == "Pow" && input == 1) || (op == "Pad" && input == 2));
  if (is_number) return constant.reshape({}).cpu();
  const bool holds_positions = input == 1 && (op.starts_with("Gather") || op.starts_with("Scatter"));
  const bool is_mask = input == 0 && op == "Where";
  return constant.dim() > 0 && (holds_positions || is_mask) ? constant.to(device) : constant;
}

}  // namespace

void bind_steps(Plan::Impl& plan, const Graph::Impl& graph, std::vector<DraftStep> drafts, int input,
                const std::vector<int>& outputs, const StepOptions& options) {
  std::unordered_map<int, int> slots;
  const auto new_slot = [&](int id, const Tensor& constant) {
    plan.constants.push_back(constant);
    plan.values.push_back(id);
    return static_cast<int>(plan.values.size()) - 1;
  };
  const auto slot = [&](int id) {
    if (id == Plan::Impl::kAbsent) return id;
    if (const auto known = slots.find(id); known != slots.end()) return known->second;
    Tensor constant = graph.values[id].constant;
    if (constant.defined() && constant.scalar_type() == at::kFloat) constant = constant.to(plan.precision);
    return slots[id] = new_slot(id, constant);
  };
  const auto input_slot = [&](const DraftStep& draft, size_t i) {
    const int id = draft.inputs[i];
    if (plan.device.is_cpu() || id == Plan::Impl::kAbsent || draft.layer) return slot(id);
    const Tensor& constant = graph.values[id].constant;
    const Tensor here = constant.defined() ? placed(constant, draft.node->spec, i, plan.device) : constant;
    return here.is_same(constant) ? slot(id) : new_slot(id, here);
  };
  plan.input = slot(input);
  for (const int id : outputs) plan.outputs.push_back(slot(id));
  for (DraftStep& draft : drafts) {
    Plan::Impl::Bound bound;
    bound.step = make_step(draft, graph, options);
    bound.node = draft.node;
    PlanStep about;
    about.op = draft.op;
    about.node = draft.node->spec.name;
    about.details = bound.step->details();
    for (size_t i = 0; i < draft.inputs.size(); ++i) {
      const int id = draft.inputs[i];
      bound.inputs.push_back(input_slot(draft, i));
      if (id != Plan::Impl::kAbsent) about.inputs.push_back(graph.values[id].name);
    }
    for (const int id : draft.node->outputs) bound.outputs.push_back(slot(id));
    about.output = graph.values[draft.node->outputs[0]].name;
    draft.layer.reset();  // the packed weights stay
    plan.steps.push_back(std::move(about));
    plan.bound.push_back(std::move(bound));
  }
  // From the end: the first use met is the last one; an output that is not used is not kept.
  std::vector<char> needed(plan.constants.size(), 0);
  for (const int id : plan.outputs) needed[id] = 1;
  for (auto step = plan.bound.rbegin(); step != plan.bound.rend(); ++step) {
    for (int& output_slot : step->outputs)
      if (output_slot != Plan::Impl::kAbsent && !needed[output_slot]) output_slot = Plan::Impl::kAbsent;
    step->is_last.assign(step->inputs.size(), 0);
    for (size_t i = step->inputs.size(); i-- > 0;) {
      const int id = step->inputs[i];
      if (id == Plan::Impl::kAbsent || plan.constants[id].defined()) continue;
      step->is_last[i] = !needed[id];
      needed[id] = 1;
    }
  }
}

}  // namespace vitrail
