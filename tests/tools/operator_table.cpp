// Prints docs/operators.md: every operator of the registry and what is known of it, found by asking the code.
//
//   operator_table CASES > docs/operators.md        CASES: the folder of the ONNX node cases
//
// Each operator is made from the node cases that consist of it alone and asked for its interpretations.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <span>

#include "onnx/adapters.h"
#include "onnx/nodes_for_tests.h"
#include "onnx/reader.h"
#include "ops/registry.h"
#include "plan/layer.h"
#include "vitrail/error.h"
#include "vitrail/graph.h"

namespace fs = std::filesystem;
using namespace vitrail;

namespace {

struct Row {
  int cases = 0;
  bool differentiable = false, follows_rules = false;
  std::string plan;
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tensors read_inputs(const fs::path& folder, size_t count) {
  Tensors inputs(count);
  for (size_t i = 0; i < count; ++i) {
    const fs::path path = folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb");
    if (!fs::exists(path) || fs::file_size(path) == 0) continue;
    const std::string bytes = read_file(path);
    inputs[i] = read_onnx_tensor(std::as_bytes(std::span(bytes)), path.string());
  }
  return inputs;
}

/// Whether guided backpropagation changes the operator's gradient.
bool follows_backward_rules(const Operator& op, Tensors in) {
  const at::AutoGradMode recording(true);
  if (in.empty() || !in[0].defined() || in[0].scalar_type() != at::kFloat) return false;
  in[0] = in[0].clone().requires_grad_();
  Tensors gradients;
  for (const BackwardRule rule : {BackwardRule::plain, BackwardRule::guided}) {
    RunContext context;
    context.backward_rule = rule;
    const Tensor y = op.forward(in, context).at(0);
    if (!y.requires_grad()) return false;
    gradients.push_back(gradient({y}, {in[0]}, {at::full_like(y, -1)})[0]);
  }
  return !at::equal(gradients[0], gradients[1]);
}

/// What a plan can do with the node besides running it as it is.
std::string in_plan(const NodeSpec& node, const Tensors& inputs) {
  if (make_layer(node, inputs, inputs[0].sizes().vec())) return "oneDNN layer";
  if (find_activation(node, inputs)) return "in a layer, or in place";
  const Tensor channel = at::ones({3, 1, 1});
  const Tensors constants = node.inputs.size() == 2 ? Tensors{Tensor(), channel} : inputs;
  if (find_affine(node, constants, 0, 4, 1, node.inputs.size() == 2 ? 3 : inputs[0].size(1)))
    return node.op_type == "Add" ? "folded, or a layer's residual" : "folded";
  if (node.op_type == "Attention") return "fused";
  if (node.op_type == "Pad") return "in a convolution";
  return "";
}

void ask(const fs::path& folder, std::map<std::string, Row>& rows) try {
  const std::string bytes = read_file(folder / "model.onnx");
  const OnnxModel model = testing::read_bytes(bytes);
  if (model.nodes.size() != 1 || !OperatorRegistry::all().has(model.nodes[0].op_type, model.nodes[0].domain)) return;
  const Tensors inputs = read_inputs(folder, model.inputs.size());
  const NodeSpec& node = model.nodes[0];
  Tensors in;
  for (const std::string& name : node.inputs) {
    Tensor value;
    for (size_t i = 0; i < model.inputs.size(); ++i)
      if (model.inputs[i].name == name) value = inputs[i];
    if (const auto constant = model.initializers.find(name); constant != model.initializers.end())
      value = constant->second;
    in.push_back(value);
  }
  const auto op = OperatorRegistry::all().make({node, in});
  op->forward(in, RunContext{});
  Row& row = rows[node.op_type];
  ++row.cases;
  row.differentiable |= op->differentiable();
  row.follows_rules |= follows_backward_rules(*op, in);
  if (row.plan.empty() && !in.empty() && in[0].defined()) row.plan = in_plan(node, in);
} catch (const std::exception&) {
  // Another type, a sequence: the conformance run judges it.
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::invalid_argument("usage: operator_table CASES");
  const at::NoGradGuard no_grad;
  std::map<std::string, Row> rows;
  for (const std::string& name : OperatorRegistry::all().names()) rows[name];
  for (const auto& entry : fs::directory_iterator(argv[1])) ask(entry.path(), rows);

  std::cout << "# Operators\n\n"
               "Made by `make operators` from the code; not to be edited.\n\n"
               "- **cases**: node cases of the ONNX project that consist of this operator and run.\n"
               "- **gradient**: of first and second order; `flat` where it is zero almost everywhere, which gradient\n"
               "  methods warn of.\n"
               "- **guided**: guided backpropagation and deconvolution change its backward pass.\n"
               "- **plan**: what a scoring plan does with it besides running it as it is.\n\n"
               "If and Loop are no operators: loading takes them apart where shapes and constants decide them.\n\n"
               "| operator | cases | gradient | guided | plan |\n|---|---|---|---|---|\n";
  for (const auto& [name, row] : rows)
    std::cout << "| " << name << " | " << (row.cases == 0 ? "" : std::to_string(row.cases)) << " | "
              << (row.cases == 0       ? ""
                  : row.differentiable ? "yes"
                                       : "flat")
              << " | " << (row.follows_rules ? "yes" : "") << " | " << row.plan << " |\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
