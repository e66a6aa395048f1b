#include "onnx/adapters.h"

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <unordered_set>

#include "vitrail/error.h"

namespace vitrail {
namespace {

/// What an adapter works on: the graph, and the nodes that it puts before the one being lifted. The adapter
/// changes that one in place; the caller appends it.
class Lift {
 public:
  Lift(GraphBody& body, std::vector<NodeSpec>& out) : body_(body), out_(out) {
    for (const auto& [name, tensor] : body.initializers) names_.insert(name);
    names_.insert(body.inputs.begin(), body.inputs.end());
    for (const NodeSpec& node : body.nodes) names_.insert(node.outputs.begin(), node.outputs.end());
  }

  /// The name of a new initializer.
  std::string constant(const NodeSpec& node, const std::string& what, const Tensor& value) {
    const std::string name = unique(node.outputs[0] + "/" + what);
    body_.initializers[name] = value;
    return name;
  }

  /// The output of a new node before the one being lifted.
  std::string insert(const NodeSpec& node, const std::string& op_type, Strings inputs, const std::string& what,
                     Attributes attributes = {}) {
    NodeSpec made;
    made.op_type = op_type;
    made.name = node.name + "/" + what;
    made.scope = node.scope;
    made.inputs = std::move(inputs);
    made.outputs = {unique(node.outputs[0] + "/" + what)};
    made.attributes = std::move(attributes);
    made.opset = node.opset;
    out_.push_back(made);
    return made.outputs[0];
  }

  /// The initializer behind a name, or null.
  const Tensor* find(const std::string& name) const {
    auto it = body_.initializers.find(name);
    return it == body_.initializers.end() ? nullptr : &it->second;
  }

 private:
  std::string unique(const std::string& base) {
    std::string name = base;
    for (int i = 2; !names_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
    return name;
  }

  GraphBody& body_;
  std::vector<NodeSpec>& out_;
  std::unordered_set<std::string> names_;
};

/// Input `index`; throws where a broken file leaves it out.
const std::string& input(const NodeSpec& node, size_t index) {
  if (index >= node.inputs.size())
    throw ModelError("it has " + std::to_string(node.inputs.size()) + " inputs; expected at least " +
                     std::to_string(index + 1) + ".");
  return node.inputs[index];
}

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
  const std::string shape = lift.insert(node, "Shape", {input(node, 0)}, "shape");
  const std::string flat = lift.insert(node, "Flatten", {input(node, 0)}, "flat", axis);
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
      set_input(node, index,
                lift.constant(node, limit, at::scalar_tensor(node.attributes.get_float(limit, 0), at::kFloat)));
    node.attributes.erase(limit);
    ++index;
  }
}

void pad(NodeSpec& node, Lift& lift) {
  ints_to_input(node, lift, "pads", 1);
  set_input(node, 2,
            lift.constant(node, "value", at::scalar_tensor(node.attributes.get_float("value", 0), at::kFloat)));
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

/// Scales move behind the region of interest; positions were asymmetric. Nearest rounded them down when it
/// enlarged and up when it reduced.
void resize_10(NodeSpec& node, Lift& lift) {
  const Tensor* scales = lift.find(input(node, 1));
  const bool reduces = scales && scales->numel() > 0 && scales->le(1).all().item<bool>();
  node.op_type = "Resize";
  node.inputs = {node.inputs[0], "", node.inputs[1]};
  node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
  node.attributes.set("nearest_mode", std::string(reduces ? "ceil" : "floor"));
}

/// At 11 and 12 roi and scales could not be left out: exporters pass empty tensors, some still do.
void resize_empty_inputs(NodeSpec& node, Lift& lift) {
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (const Tensor* value = lift.find(node.inputs[i]); value && value->numel() == 0) node.inputs[i].clear();
}

void scatter(NodeSpec& node, Lift&) { node.op_type = "ScatterElements"; }

/// The modes were named after their two-dimensional forms.
void grid_sample(NodeSpec& node, Lift&) {
  const std::string mode = node.attributes.get_string("mode", "bilinear");
  node.attributes.set("mode", mode == "bilinear" ? std::string("linear") : mode == "bicubic" ? "cubic" : mode);
}

/// Regions were not moved by half a pixel.
void roi_align(NodeSpec& node, Lift&) {
  node.attributes.set("coordinate_transformation_mode", std::string("output_half_pixel"));
}

// Quantised operators are the floating ones between a DequantizeLinear and a QuantizeLinear, those with integer
// outputs the floating ones in float64, which is exact.

/// The integers of an input less its zero point, in float64; a zero point of several values lies along `axis`.
std::string centred(NodeSpec& node, Lift& lift, size_t value, size_t zero_point, int64_t axis) {
  Attributes to_double;
  to_double.set("to", int64_t{11});
  const std::string what = "input" + std::to_string(value);
  std::string numbers = lift.insert(node, "Cast", {input(node, value)}, what, to_double);
  if (zero_point >= node.inputs.size() || node.inputs[zero_point].empty()) return numbers;
  std::string zero = lift.insert(node, "Cast", {node.inputs[zero_point]}, what + "/zero_point", to_double);
  const std::string one = lift.constant(node, what + "/one", at::scalar_tensor(1.0, at::kDouble));
  // (q - zero) * 1, which DequantizeLinear spreads along its axis.
  Attributes along;
  along.set("axis", axis);
  return lift.insert(node, "DequantizeLinear", {numbers, one, zero}, what + "/centred", along);
}

/// The node becomes `op_type` of these inputs, and its output int32.
void integer_operator(NodeSpec& node, Lift& lift, const std::string& op_type, Strings inputs) {
  const std::string exact = lift.insert(node, op_type, std::move(inputs), "exact", node.attributes);
  node.op_type = "Cast";
  node.inputs = {exact};
  node.attributes = {};
  node.attributes.set("to", int64_t{6});
}

void conv_integer(NodeSpec& node, Lift& lift) {
  const std::string x = centred(node, lift, 0, 2, 1), w = centred(node, lift, 1, 3, 0);
  integer_operator(node, lift, "Conv", {x, w});
}

void mat_mul_integer(NodeSpec& node, Lift& lift) {
  const std::string a = centred(node, lift, 0, 2, -2), b = centred(node, lift, 1, 3, -1);
  integer_operator(node, lift, "MatMul", {a, b});
}

/// The inputs value, scale and zero point from `first` on as floating numbers.
std::string dequantised(NodeSpec& node, Lift& lift, size_t first, int64_t axis) {
  Attributes along;
  along.set("axis", axis);
  const Strings inputs = {input(node, first), input(node, first + 1), input(node, first + 2)};
  return lift.insert(node, "DequantizeLinear", inputs, "input" + std::to_string(first), along);
}

/// The node becomes the quantisation of `op_type` of these inputs.
void quantised_operator(NodeSpec& node, Lift& lift, const std::string& op_type, Strings inputs) {
  const std::string exact = lift.insert(node, op_type, std::move(inputs), "exact", node.attributes);
  node.op_type = "QuantizeLinear";
  node.inputs = {exact, input(node, 6), input(node, 7)};
  node.attributes = {};
}

/// The bias is on the scale of the products.
void q_linear_conv(NodeSpec& node, Lift& lift) {
  Strings inputs = {dequantised(node, lift, 0, 1), dequantised(node, lift, 3, 0)};
  if (node.inputs.size() > 8 && !node.inputs[8].empty()) {
    const std::string scale = lift.insert(node, "Mul", {node.inputs[1], node.inputs[4]}, "bias_scale");
    Attributes along;
    along.set("axis", int64_t{0});
    inputs.push_back(lift.insert(node, "DequantizeLinear", {node.inputs[8], scale}, "bias", along));
  }
  quantised_operator(node, lift, "Conv", std::move(inputs));
}

void q_linear_mat_mul(NodeSpec& node, Lift& lift) {
  const std::string a = dequantised(node, lift, 0, -2), b = dequantised(node, lift, 3, -1);
  quantised_operator(node, lift, "MatMul", {a, b});
}

/// It did nothing outside training.
void dropout(NodeSpec& node, Lift&) { node.attributes.erase("ratio"); }

/// More outputs than one meant training.
void batch_normalization(NodeSpec& node, Lift&) {
  if (std::any_of(node.outputs.begin() + 1, node.outputs.end(), [](const auto& name) { return !name.empty(); }))
    throw ModelError("it asks for the statistics of the batch: the model was exported for training. Export it in " +
                     std::string("evaluation mode."));
  node.outputs.resize(1);
}

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
    {"Hardmax", 13, softmax},
    {"Scatter", newest_opset + 1, scatter},
    {"GridSample", 20, grid_sample},
    {"ConvInteger", newest_opset + 1, conv_integer},
    {"MatMulInteger", newest_opset + 1, mat_mul_integer},
    {"QLinearConv", newest_opset + 1, q_linear_conv},
    {"QLinearMatMul", newest_opset + 1, q_linear_mat_mul},
    {"RoiAlign", 16, roi_align},
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
    {"Resize", newest_opset + 1, resize_empty_inputs},
    {"Dropout", 12, dropout},
    {"BatchNormalization", 14, batch_normalization},
};

void lift_node(NodeSpec& node, int64_t opset, Lift& lift) try {
  const std::string op_type = node.op_type;  // adapters may change it
  for (const Adapter& adapter : kAdapters)
    if (op_type == adapter.op_type && opset < adapter.before) adapter.lift(node, lift);
} catch (const ModelError& e) {
  throw ModelError("the " + node.op_type + " node '" + (node.name.empty() ? node.outputs[0] : node.name) + "' (opset " +
                   std::to_string(opset) + "): " + e.what());
}

/// The nodes of a graph and of the graphs within it.
void lift_body(GraphBody& body) {
  std::vector<NodeSpec> lifted;
  Lift lift(body, lifted);
  for (NodeSpec& node : body.nodes) {
    change_bodies(node, lift_body);
    if (node.domain.empty()) lift_node(node, node.opset, lift);
    lifted.push_back(std::move(node));
  }
  body.nodes = std::move(lifted);
}

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
  GraphBody body{{}, {}, std::move(model.nodes), std::move(model.initializers)};
  for (const OnnxValue& input : model.inputs) body.inputs.push_back(input.name);
  lift_body(body);
  model.nodes = std::move(body.nodes);
  model.initializers = std::move(body.initializers);
}

}  // namespace vitrail
