#include "onnx/adapters.h"

#include <ATen/ops/tensor.h>

#include <functional>
#include <unordered_map>

#include "vitrail/error.h"

namespace vitrail {
namespace {

/// What an adapter works on: the node as the file has it, and the list that takes its place. A node that the
/// adapter changes only in itself is appended by the caller.
class Lift {
 public:
  Lift(OnnxModel& model, std::vector<NodeSpec>& out) : model_(model), out_(out) {}

  /// A new initializer with a name of its own.
  std::string constant(const NodeSpec& node, const std::string& what, const Tensor& value) {
    const std::string base = node.outputs[0] + "/" + what;
    std::string name = base;
    for (int i = 2; model_.initializers.count(name); ++i) name = base + "_" + std::to_string(i);
    model_.initializers[name] = value;
    return name;
  }

  /// A node before the one that is being lifted.
  std::string insert(const NodeSpec& node, const std::string& op_type, Strings inputs, const std::string& what,
                     Attributes attributes = {}) {
    NodeSpec made;
    made.op_type = op_type;
    made.name = node.name + "/" + what;
    made.scope = node.scope;
    made.inputs = std::move(inputs);
    made.outputs = {node.outputs[0] + "/" + what};
    made.attributes = std::move(attributes);
    made.opset = node.opset;
    out_.push_back(made);
    return made.outputs[0];
  }

  /// The initializer behind a name, or null.
  const Tensor* find(const std::string& name) const {
    auto it = model_.initializers.find(name);
    return it == model_.initializers.end() ? nullptr : &it->second;
  }

 private:
  OnnxModel& model_;
  std::vector<NodeSpec>& out_;
};

void set_input(NodeSpec& node, size_t index, const std::string& name) {
  if (node.inputs.size() <= index) node.inputs.resize(index + 1);
  node.inputs[index] = name;
}

/// A list attribute becomes input `index`.
void ints_to_input(NodeSpec& node, Lift& lift, const std::string& attribute, size_t index) {
  if (!node.attributes.has(attribute)) return;
  set_input(node, index, lift.constant(node, attribute, at::tensor(node.attributes.get_ints(attribute), at::kLong)));
  node.attributes.erase(attribute);
}

void axes_to_input(NodeSpec& node, Lift& lift) { ints_to_input(node, lift, "axes", 1); }

/// Before 13 Softmax flattened its input to two dimensions at the axis (1 unless said).
void flat_softmax(NodeSpec& node, Lift& lift) {
  Attributes axis;
  axis.set("axis", node.attributes.get_int("axis", 1));
  const std::string shape = lift.insert(node, "Shape", {node.inputs[0]}, "shape");
  const std::string flat = lift.insert(node, "Flatten", {node.inputs[0]}, "flat", axis);
  Attributes last;
  last.set("axis", int64_t{-1});
  const std::string normalised = lift.insert(node, node.op_type, {flat}, "rows", last);
  node.op_type = "Reshape";
  node.inputs = {normalised, shape};
  node.attributes = {};
}

/// The last axis needs no flattening.
void softmax(NodeSpec& node, Lift& lift) {
  if (node.attributes.get_int("axis", 1) != -1) flat_softmax(node, lift);
}

void clip(NodeSpec& node, Lift& lift) {
  size_t index = 1;
  for (const char* limit : {"min", "max"}) {
    if (node.attributes.has(limit))
      set_input(node, index, lift.constant(node, limit, at::tensor(node.attributes.get_float(limit, 0), at::kFloat)));
    node.attributes.erase(limit);
    ++index;
  }
}

void pad(NodeSpec& node, Lift& lift) {
  ints_to_input(node, lift, "pads", 1);
  set_input(node, 2, lift.constant(node, "value", at::tensor(node.attributes.get_float("value", 0), at::kFloat)));
  node.attributes.erase("value");
}

void slice(NodeSpec& node, Lift& lift) {
  ints_to_input(node, lift, "starts", 1);
  ints_to_input(node, lift, "ends", 2);
  ints_to_input(node, lift, "axes", 3);
}

void split_list(NodeSpec& node, Lift& lift) { ints_to_input(node, lift, "split", 1); }

/// Since 18 equal parts are asked for by number.
void split_parts(NodeSpec& node, Lift&) {
  const bool sizes = node.inputs.size() > 1 && !node.inputs[1].empty();
  if (!sizes && !node.attributes.has("num_outputs"))
    node.attributes.set("num_outputs", static_cast<int64_t>(node.outputs.size()));
}

void top_k(NodeSpec& node, Lift& lift) {
  set_input(node, 1,
            lift.constant(node, "k", at::tensor(std::vector<int64_t>{node.attributes.require_int("k")}, at::kLong)));
  node.attributes.erase("k");
}

/// Scales move behind the region of interest; coordinates were asymmetric and rounded down.
void resize_10(NodeSpec& node, Lift&) {
  node.op_type = "Resize";
  node.inputs = {node.inputs[0], "", node.inputs.at(1)};
  node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
  node.attributes.set("nearest_mode", std::string("floor"));
}

/// Files of 11 and 12 pass empty tensors for what they leave out.
void resize_empty_inputs(NodeSpec& node, Lift& lift) {
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (const Tensor* value = lift.find(node.inputs[i]); value && value->numel() == 0) node.inputs[i].clear();
}

void dropout(NodeSpec& node, Lift&) { node.attributes.erase("ratio"); }

/// `lift` applies to nodes of an opset below `before`.
struct Adapter {
  const char* op_type;
  int64_t before;
  void (*lift)(NodeSpec&, Lift&);
};

// Several rows of one operator apply in order.
const Adapter kAdapters[] = {
    {"Softmax", 13, softmax},
    {"LogSoftmax", 13, softmax},
    {"Squeeze", 13, axes_to_input},
    {"Unsqueeze", 13, axes_to_input},
    {"ReduceSum", 13, axes_to_input},
    {"ReduceMean", 18, axes_to_input},
    {"ReduceMax", 18, axes_to_input},
    {"ReduceMin", 18, axes_to_input},
    {"ReduceProd", 18, axes_to_input},
    {"ReduceL1", 18, axes_to_input},
    {"ReduceL2", 18, axes_to_input},
    {"ReduceLogSum", 18, axes_to_input},
    {"ReduceLogSumExp", 18, axes_to_input},
    {"ReduceSumSquare", 18, axes_to_input},
    {"Clip", 11, clip},
    {"Pad", 11, pad},
    {"Slice", 10, slice},
    {"Split", 13, split_list},
    {"Split", 18, split_parts},
    {"TopK", 10, top_k},
    {"Upsample", 10, resize_10},
    {"Resize", 11, resize_10},
    {"Resize", 13, resize_empty_inputs},
    {"Dropout", 12, dropout},
};

}  // namespace

void lift_opsets(OnnxModel& model) {
  const int64_t opset = model.opsets.at("");
  if (opset < oldest_opset)
    throw ModelError(model.path + " has opset " + std::to_string(opset) + "; expected " + std::to_string(oldest_opset) +
                     " to " + std::to_string(newest_opset) +
                     ". Convert it with onnx.version_converter or export it again.");
  if (opset > newest_opset)
    throw ModelError(model.path + " has opset " + std::to_string(opset) + ", newer than this vitrail knows (" +
                     std::to_string(newest_opset) + "). Export it at opset " + std::to_string(newest_opset) +
                     " or below, or update vitrail.");
  std::vector<NodeSpec> lifted;
  Lift lift(model, lifted);
  for (NodeSpec& node : model.nodes) {
    const std::string op_type = node.op_type;
    if (node.domain.empty())
      for (const Adapter& adapter : kAdapters)
        if (op_type == adapter.op_type && opset < adapter.before) adapter.lift(node, lift);
    lifted.push_back(std::move(node));
  }
  model.nodes = std::move(lifted);
}

}  // namespace vitrail
