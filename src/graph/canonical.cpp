// Canonical rewrites: the layers that exporters spell out in small operators become one node each,
// under the name of their last value, so that every rule speaks about layers. Nothing here changes an
// output. The nodes that a pattern swallowed disappear with remove_dead unless something else uses them.

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>

#include "graph/pattern.h"
#include "ops/arguments.h"
#include "ops/failure.h"

namespace vitrail {
namespace {

bool close(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

/// A rewrite looks at a node that may end a pattern and, if it does, says what replaces it: nodes whose
/// last one computes the same value. New constants go into the draft.
using Replacement = std::vector<NodeSpec>;
using Rewrite = Replacement (*)(const NodeSpec&, const Pattern&, Draft&);

NodeSpec ending(const NodeSpec& last, const std::string& op_type, Strings inputs) {
  NodeSpec spec;
  spec.op_type = op_type;
  spec.name = last.name;
  spec.scope = last.scope;
  spec.inputs = std::move(inputs);
  spec.outputs = {last.outputs[0]};
  spec.opset = last.opset;
  return spec;
}

std::string add_constant(Draft& draft, const std::string& name, const Tensor& value) {
  draft.constants[name] = value;
  return name;
}

/// x * weight + bias with the parameters spelled as Mul and Add after `core`; null where absent.
struct Affine {
  std::string core, weight, bias;
};
std::vector<Affine> affine_spellings(const NodeSpec& node, const Pattern& pattern) {
  std::vector<Affine> result;
  auto split = [&](const NodeSpec* n, auto&& use) {
    if (!n) return;
    for (int i : {0, 1})
      if (pattern.constant(n->inputs[1 - i])) use(n->inputs[i], n->inputs[1 - i]);
  };
  if (node.op_type == "Add")
    split(&node, [&](const std::string& product, const std::string& bias) {
      split(pattern.producer(product, "Mul"),
            [&](const std::string& core, const std::string& weight) { result.push_back({core, weight, bias}); });
    });
  return result;
}

// (x - mean) / sqrt(mean((x - mean)^2) + eps)
struct Normalised {
  std::string input;
  Ints axes;
  double epsilon;
};
std::optional<Normalised> match_normalised(const std::string& value, const Pattern& pattern) {
  const NodeSpec* quotient = pattern.producer(value, "Div");
  if (!quotient) return std::nullopt;
  const NodeSpec* centred = pattern.producer(quotient->inputs[0], "Sub");
  const NodeSpec* root = pattern.producer(quotient->inputs[1], "Sqrt");
  if (!centred || !root) return std::nullopt;
  const NodeSpec* mean = pattern.producer(centred->inputs[1], "ReduceMean");
  if (!mean || mean->inputs[0] != centred->inputs[0]) return std::nullopt;
  auto variance_plus = pattern.with_scalar(pattern.producer(root->inputs[0], "Add"));
  if (!variance_plus) return std::nullopt;
  const NodeSpec* variance = pattern.producer(variance_plus->value, "ReduceMean");
  if (!variance || pattern.mean_axes(variance) != pattern.mean_axes(mean)) return std::nullopt;

  std::string squared;
  if (const NodeSpec* power = pattern.producer(variance->inputs[0], "Pow")) {
    if (pattern.scalar(power->inputs[1]) == 2.0) squared = power->inputs[0];
  } else if (const NodeSpec* product = pattern.producer(variance->inputs[0], "Mul")) {
    if (product->inputs[0] == product->inputs[1]) squared = product->inputs[0];
  }
  const NodeSpec* also_centred = pattern.producer(squared, "Sub");
  if (!also_centred || also_centred->inputs != centred->inputs) return std::nullopt;
  return Normalised{centred->inputs[0], pattern.mean_axes(mean), variance_plus->scalar};
}

Replacement layer_norm(const NodeSpec& node, const Pattern& pattern, Draft& draft) {
  auto make = [&](const Normalised& core, const std::string& weight, const std::string& bias) -> Replacement {
    const Shape shape = pattern.shape(core.input);
    // Trailing axes only: the operator normalises from `axis` to the end.
    Ints sizes;
    for (size_t i = 0; i < core.axes.size(); ++i) {
      size_t expected = shape.size() - core.axes.size() + i;
      if (core.axes[i] != static_cast<int64_t>(expected) || shape[expected].per_batch != 0) return {};
      sizes.push_back(shape[expected].fixed);
    }
    if (sizes.empty()) return {};
    Strings inputs = {core.input, weight, bias};
    for (const std::string& parameter : {weight, bias})
      if (!parameter.empty() && pattern.constant(parameter)->sizes() != at::IntArrayRef(sizes)) return {};
    if (weight.empty()) {
      auto options = at::TensorOptions(draft.float_type).device(draft.device);
      inputs = {core.input, add_constant(draft, node.outputs[0] + "/scale", at::ones(sizes, options))};
    }
    NodeSpec spec = ending(node, "LayerNormalization", inputs);
    spec.attributes.set("axis", -static_cast<int64_t>(sizes.size()));
    spec.attributes.set("epsilon", core.epsilon);
    return {spec};
  };
  for (const Affine& affine : affine_spellings(node, pattern))
    if (auto core = match_normalised(affine.core, pattern)) return make(*core, affine.weight, affine.bias);
  if (node.op_type == "Div")
    if (auto core = match_normalised(node.outputs[0], pattern)) return make(*core, "", "");
  return {};
}

// Before opset 13 Softmax flattened its input to rows; where a row is the last dimension that changes nothing
Replacement flat_softmax(const NodeSpec& node, const Pattern& pattern, Draft&) {
  if (node.op_type != "Reshape") return {};
  for (const char* op_type : {"Softmax", "LogSoftmax"}) {
    const NodeSpec* softmax = pattern.producer(node.inputs[0], op_type);
    const NodeSpec* flat = softmax ? pattern.producer(softmax->inputs[0], "Flatten") : nullptr;
    if (!flat) continue;
    const Shape shape = pattern.shape(flat->inputs[0]);
    if (shape.empty() || pattern.shape(node.outputs[0]) != shape ||
        normalize_axis(flat->attributes.get_int("axis", 1), shape.size()) + 1 != static_cast<int64_t>(shape.size()))
      continue;
    NodeSpec spec = ending(node, op_type, {flat->inputs[0]});
    spec.attributes.set("axis", int64_t{-1});
    return {spec};
  }
  return {};
}

/// value = 1 + function(inner): gives inner.
std::optional<std::string> one_plus(const std::string& value, const char* function, const Pattern& pattern) {
  auto sum = pattern.with_scalar(pattern.producer(value, "Add"));
  if (!sum || !close(sum->scalar, 1)) return std::nullopt;
  const NodeSpec* node = pattern.producer(sum->value, function);
  if (!node) return std::nullopt;
  return node->inputs[0];
}

/// value = x^3, spelled as Pow or as products.
bool is_cube(const std::string& value, const std::string& x, const Pattern& pattern) {
  if (const NodeSpec* power = pattern.producer(value, "Pow"))
    return power->inputs[0] == x && pattern.scalar(power->inputs[1]) == 3.0;
  auto product = pattern.product(value);
  return product.scalar == 1 && product.factors == Strings{x, x, x};
}

/// inner = sqrt(2/pi) (x + .044715 x^3)
bool is_tanh_argument(const std::string& inner, const std::string& x, const Pattern& pattern) {
  auto outer = pattern.scaled(inner);
  const NodeSpec* sum = pattern.producer(outer.value, "Add");
  if (!sum || !close(outer.scalar, std::sqrt(2 / M_PI))) return false;
  for (int i : {0, 1}) {
    if (sum->inputs[i] != x) continue;
    auto cubic = pattern.scaled(sum->inputs[1 - i]);
    if (close(cubic.scalar, 0.044715) && is_cube(cubic.value, x, pattern)) return true;
    auto product = pattern.product(sum->inputs[1 - i], 4);
    if (close(product.scalar, 0.044715) && product.factors == Strings{x, x, x}) return true;
  }
  return false;
}

// x/2 (1 + erf(x / sqrt 2)), or with the tanh approximation
Replacement gelu(const NodeSpec& node, const Pattern& pattern, Draft&) {
  if (node.op_type != "Mul" && node.op_type != "Div") return {};
  auto product = pattern.product(node.outputs[0]);
  if (product.factors.size() != 2 || !close(product.scalar, 0.5)) return {};
  for (int i : {0, 1}) {
    const std::string &x = product.factors[i], &gate = product.factors[1 - i];
    std::string approximate;
    if (auto inner = one_plus(gate, "Erf", pattern)) {
      auto argument = pattern.scaled(*inner);
      if (argument.value == x && close(argument.scalar, M_SQRT1_2)) approximate = "none";
    } else if (auto inner = one_plus(gate, "Tanh", pattern)) {
      if (is_tanh_argument(*inner, x, pattern)) approximate = "tanh";
    }
    if (approximate.empty()) continue;
    NodeSpec spec = ending(node, "Gelu", {x});
    spec.attributes.set("approximate", approximate);
    return {spec};
  }
  return {};
}

// x sigmoid(x), and x hardsigmoid(x) with slope 1/6
Replacement silu(const NodeSpec& node, const Pattern& pattern, Draft&) {
  if (node.op_type != "Mul") return {};
  for (int i : {0, 1}) {
    const std::string &x = node.inputs[i], &gate = node.inputs[1 - i];
    if (const NodeSpec* sigmoid = pattern.producer(gate, "Sigmoid"); sigmoid && sigmoid->inputs[0] == x)
      return {ending(node, "Swish", {x})};
    const NodeSpec* hard = pattern.producer(gate, "HardSigmoid");
    if (hard && hard->inputs[0] == x && close(hard->attributes.get_float("alpha", 0.2), 1.0 / 6) &&
        close(hard->attributes.get_float("beta", 0.5), 0.5))
      return {ending(node, "HardSwish", {x})};
  }
  return {};
}

bool all_equal(const Tensor* tensor, double value) { return tensor && tensor->eq(value).all().item<bool>(); }

// Reshape to [N, groups, -1], InstanceNormalization without parameters, Reshape back, times weight, plus bias
Replacement group_norm(const NodeSpec& node, const Pattern& pattern, Draft& draft) {
  for (const Affine& affine : affine_spellings(node, pattern)) {
    const NodeSpec* back = pattern.producer(affine.core, "Reshape");
    const NodeSpec* core = back ? pattern.producer(back->inputs[0], "InstanceNormalization") : nullptr;
    const NodeSpec* split = core ? pattern.producer(core->inputs[0], "Reshape") : nullptr;
    if (!split || !all_equal(pattern.constant(core->inputs[1]), 1) || !all_equal(pattern.constant(core->inputs[2]), 0))
      continue;
    const Shape shape = pattern.shape(split->inputs[0]), grouped = pattern.shape(core->inputs[0]);
    if (pattern.shape(affine.core) != shape || shape.size() < 3 || grouped.size() != 3) continue;
    const int64_t channels = shape[1].fixed;
    Strings inputs = {split->inputs[0]};
    for (const std::string& parameter : {affine.weight, affine.bias}) {
      const Tensor* value = pattern.constant(parameter);
      const int64_t from_end = static_cast<int64_t>(shape.size()) - 1;  // of the channel dimension
      if (value->numel() != channels || value->dim() < from_end || value->size(value->dim() - from_end) != channels)
        return {};
      inputs.push_back(add_constant(draft, parameter + "/per_channel", value->reshape({channels})));
    }
    NodeSpec spec = ending(node, "GroupNormalization", inputs);
    spec.attributes.set("num_groups", grouped[1].fixed);
    spec.attributes.set("epsilon", core->attributes.get_float("epsilon", 1e-5));
    return {spec};
  }
  return {};
}

// softmax(scale q k^T + mask) v on [N, heads, tokens, dim]; the softmax keeps its name as fourth output
Replacement attention(const NodeSpec& node, const Pattern& pattern, Draft& draft) {
  if (node.op_type != "MatMul") return {};
  const NodeSpec* softmax = pattern.producer(node.inputs[0], "Softmax");
  if (!softmax || pattern.shape(node.inputs[0]).size() != 4 || pattern.shape(node.inputs[1]).size() != 4) return {};
  const int64_t axis = softmax->attributes.get_int("axis", -1);
  if (axis != -1 && axis != 3) return {};

  std::string logits = softmax->inputs[0], mask;
  if (const NodeSpec* sum = pattern.producer(logits, "Add")) {
    for (int i : {0, 1}) {
      if (!pattern.producer(pattern.scaled(sum->inputs[i]).value, "MatMul")) continue;
      logits = sum->inputs[i];
      mask = sum->inputs[1 - i];
      break;
    }
  }
  auto scaled = pattern.scaled(logits);
  const NodeSpec* scores = pattern.producer(scaled.value, "MatMul");
  if (!scores) return {};
  auto query = pattern.scaled(scores->inputs[0]), key = pattern.scaled(scores->inputs[1]);
  const double scale = scaled.scalar * query.scalar * key.scalar;
  if (scale <= 0 || pattern.shape(query.value).size() != 4 || pattern.shape(key.value).size() != 4) return {};
  // The operator takes heads of equal number and masks that it can broadcast.
  if (pattern.shape(query.value)[1] != pattern.shape(key.value)[1] ||
      pattern.shape(query.value)[1] != pattern.shape(node.inputs[1])[1])
    return {};
  if (!mask.empty() && pattern.shape(mask).size() > 4) return {};

  // k^T is a transpose in the file: undo it, or swap the last two dimensions back.
  Replacement result;
  Ints order = {0, 1, 3, 2};
  std::string source = key.value;
  if (const NodeSpec* transpose = pattern.producer(key.value, "Transpose")) {
    Ints first = transpose->attributes.get_ints("perm", {3, 2, 1, 0});
    source = transpose->inputs[0];
    order = {first[0], first[1], first[3], first[2]};
  }
  std::string keys = source;
  if (order != Ints{0, 1, 2, 3}) {
    NodeSpec transpose;
    transpose.op_type = "Transpose";
    transpose.opset = node.opset;
    transpose.inputs = {source};
    transpose.outputs = {node.outputs[0] + "/key"};
    transpose.attributes.set("perm", order);
    keys = transpose.outputs[0];
    Shape from = pattern.shape(source), to;
    for (int64_t i : order) to.push_back(from[i]);
    draft.traced[keys] = {draft.float_type, to, true};
    result.push_back(transpose);
  }
  NodeSpec spec = ending(node, "Attention", {query.value, keys, node.inputs[1]});
  if (!mask.empty()) spec.inputs.push_back(mask);
  spec.attributes.set("scale", scale);
  if (pattern.used_once(softmax->outputs[0])) {
    spec.outputs = {node.outputs[0], "", "", softmax->outputs[0]};
    spec.attributes.set("qk_matmul_output_mode", int64_t{3});  // after the softmax
  }
  result.push_back(spec);
  return result;
}

/// Operators that only choose or move values: dequantising after them is dequantising before them.
bool only_moves(const NodeSpec& node) {
  static const std::set<std::string> kMoves = {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"};
  return kMoves.count(node.op_type) > 0 && node.outputs.size() == 1;
}

/// QuantizeLinear and DequantizeLinear on one scale, next to each other or with moves between them: the values stay
/// floating, and the gradient passes through.
Replacement quantize_dequantize(const NodeSpec& node, const Pattern& pattern, Draft& draft) {
  if (node.op_type != "DequantizeLinear") return {};
  std::vector<const NodeSpec*> moves;  // from the last to the first
  const NodeSpec* before = pattern.producer(node.inputs[0]);
  for (; before && only_moves(*before); before = pattern.producer(before->inputs[0])) moves.push_back(before);
  if (!before || before->op_type != "QuantizeLinear") return {};
  const auto same = [&](size_t i) {
    const std::string a = i < node.inputs.size() ? node.inputs[i] : "",
                      b = i < before->inputs.size() ? before->inputs[i] : "";
    return a == b ||
           (pattern.constant(a) && pattern.constant(b) && at::equal(*pattern.constant(a), *pattern.constant(b)));
  };
  const Tensor* scale = pattern.constant(node.inputs[1]);
  const bool per_tensor = scale && scale->numel() == 1;  // else a move may change the axis of the scale
  const bool same_axis = node.attributes.get_int("axis", 1) == before->attributes.get_int("axis", 1) &&
                         node.attributes.get_int("block_size", 0) == before->attributes.get_int("block_size", 0);
  if (!same(1) || !same(2) || !(per_tensor || (moves.empty() && same_axis)) || node.attributes.has("output_dtype"))
    return {};

  Replacement nodes = {ending(*before, "QuantizeDequantize", before->inputs)};
  nodes[0].attributes = before->attributes;
  for (auto move = moves.rbegin(); move != moves.rend(); ++move) {
    nodes.push_back(**move);
    nodes.back().inputs[0] = nodes[nodes.size() - 2].outputs[0];
  }
  // Every value under a new name but the last; those of the integers may have other users.
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::string& output = nodes[i].outputs[0];
    const std::string name = i + 1 == nodes.size() ? node.outputs[0] : output + "/" + node.outputs[0];
    draft.traced[name] = {draft.traced.at(node.outputs[0]).type, draft.traced.at(output).shape, true};
    if (i + 1 < nodes.size()) nodes[i + 1].inputs[0] = name;
    output = name;
  }
  return nodes;
}

struct Rule {
  const char* layer;
  Rewrite rewrite;
};
constexpr std::array<Rule, 7> kRules = {{{"QuantizeDequantize", quantize_dequantize},
                                         {"Softmax over rows", flat_softmax},
                                         {"LayerNormalization", layer_norm},
                                         {"Gelu", gelu},
                                         {"Swish or HardSwish", silu},
                                         {"GroupNormalization", group_norm},
                                         {"Attention", attention}}};

void apply(const Rule& rule, Draft& draft) {
  const Pattern pattern(draft);
  std::vector<DraftNode> nodes;
  std::set<std::string> replaced;
  int64_t count = 0;
  const std::vector<DraftNode> before = draft.nodes;
  for (const DraftNode& node : before) {
    Replacement replacement = rule.rewrite(node.spec, pattern, draft);
    if (replacement.empty()) {
      nodes.push_back(node);
      continue;
    }
    ++count;
    for (NodeSpec& spec : replacement) {
      auto op = make_draft_operator(spec, draft);
      for (size_t i = 1; i < spec.outputs.size(); ++i)
        if (!spec.outputs[i].empty()) replaced.insert(spec.outputs[i]);
      nodes.push_back({std::move(spec), std::move(op)});
    }
  }
  // A value that a replacement now computes (the softmax of an attention) has one producer only.
  draft.nodes.clear();
  for (DraftNode& node : nodes) {
    bool superseded = node.spec.outputs.size() == 1 && replaced.count(node.spec.outputs[0]) > 0;
    if (!superseded) draft.nodes.push_back(std::move(node));
  }
  if (count > 0) draft.notes.push_back(std::to_string(count) + " x " + rule.layer + " recognised");
}

/// Nodes that hand their input on unchanged, and so only hide a pattern.
bool is_no_op(const NodeSpec& spec, const Draft& draft) {
  static const std::set<std::string> kCandidates = {"Identity", "Dropout", "Flatten",  "Reshape",
                                                    "Cast",     "Squeeze", "Unsqueeze"};
  if (kCandidates.count(spec.op_type) == 0 || spec.outputs.size() != 1 || draft.constant(spec.inputs[0])) return false;
  const TracedValue &in = draft.traced.at(spec.inputs[0]), &out = draft.traced.at(spec.outputs[0]);
  return in.type == out.type && in.shape == out.shape;
}

/// Takes no-ops out. Their outputs live on as other names of their inputs; a name that the file gives to an
/// input or output of the model stays.
void remove_no_ops(Draft& draft) {
  std::set<std::string> fixed;
  for (const OnnxValue& value : draft.inputs) fixed.insert(value.name);
  for (const OnnxValue& value : draft.outputs) fixed.insert(value.name);
  std::unordered_map<std::string, std::string> renamed;
  auto current = [&](std::string name) {
    for (auto it = renamed.find(name); it != renamed.end(); it = renamed.find(name)) name = it->second;
    return name;
  };
  std::vector<DraftNode> kept;
  for (DraftNode& node : draft.nodes) {
    for (std::string& input : node.spec.inputs) input = current(input);
    const std::string out = node.spec.outputs[0];
    if (!is_no_op(node.spec, draft) || (fixed.count(out) > 0 && fixed.count(node.spec.inputs[0]) > 0)) {
      kept.push_back(std::move(node));
      continue;
    }
    // Of the two names the model's own survives.
    const std::string in = node.spec.inputs[0];
    const bool keep_output = fixed.count(out) > 0;
    const std::string &gone = keep_output ? in : out, &stays = keep_output ? out : in;
    renamed[gone] = stays;
    draft.aliases[gone] = stays;
    if (keep_output)
      for (DraftNode& before : kept) {
        std::replace(before.spec.inputs.begin(), before.spec.inputs.end(), gone, stays);
        std::replace(before.spec.outputs.begin(), before.spec.outputs.end(), gone, stays);
      }
  }
  draft.nodes = std::move(kept);
  // An alias may point at a name that disappeared later.
  for (auto& [alias, name] : draft.aliases) name = current(name);
}

/// The value before a trailing Softmax is the logits, the one after it the probabilities.
void name_logits(Draft& draft) {
  if (draft.outputs.empty()) return;
  const Pattern pattern(draft);
  const std::string& output = draft.outputs[0].name;
  const NodeSpec* softmax = pattern.producer(output, "Softmax");
  draft.aliases["logits"] = softmax ? softmax->inputs[0] : output;
  if (!softmax) return;
  draft.aliases["probabilities"] = output;
  draft.notes.push_back("ends in Softmax: `logits` names the value before it, `probabilities` the one after");
}

/// Preprocessing that the graph does itself is worth knowing: doing it twice is a common mistake.
void note_leading_nodes(Draft& draft) {
  const Pattern pattern(draft);
  std::set<std::string> leading;
  for (const OnnxValue& input : draft.inputs) leading.insert(input.name);
  for (const DraftNode& node : draft.nodes) {
    const NodeSpec& spec = node.spec;
    if (spec.inputs.empty() || leading.count(spec.inputs[0]) == 0) continue;
    const bool arithmetic =
        spec.op_type == "Sub" || spec.op_type == "Div" || spec.op_type == "Mul" || spec.op_type == "Add";
    if (arithmetic && spec.inputs.size() == 2 && pattern.constant(spec.inputs[1]) &&
        pattern.constant(spec.inputs[1])->numel() <= 4)
      draft.notes.push_back("the graph normalises its input itself: " + node_title(spec));
    else if (spec.op_type == "Transpose")
      draft.notes.push_back("the graph rearranges its input itself: " + node_title(spec));
    else
      continue;
    leading.insert(spec.outputs[0]);
  }
}

}  // namespace

void canonicalise(Draft& draft) {
  remove_no_ops(draft);
  for (const Rule& rule : kRules) {
    apply(rule, draft);
    remove_dead(draft);
  }
  name_logits(draft);
  note_leading_nodes(draft);
}

}  // namespace vitrail
