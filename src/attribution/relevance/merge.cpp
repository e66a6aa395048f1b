#include "attribution/relevance/merge.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "ops/registry.h"

namespace vitrail {

namespace {

using Node = RelevanceGraph::Node;
constexpr int kAbsent = Graph::Impl::kAbsent;

/// y = scale x + shift, one number a channel.
struct ScaleAndShift {
  Tensor scale, shift;  ///< [M]
};

/// The channels of a layer's output: how many, and on which of the `rank` axes.
struct Channels {
  int64_t count, axis;
};

const Graph::Impl::Node& spec_of(const Graph::Impl& graph, const Node& node) {
  const auto same = [&](const Graph::Impl::Node& other) { return other.outputs == node.outputs; };
  return *std::find_if(graph.nodes.begin(), graph.nodes.end(), same);
}

/// A constant that broadcasts along the channels only, as [M].
std::optional<Tensor> per_channel(const Tensor& constant, const Channels& channels, int64_t rank) {
  if (!constant.defined() || constant.dim() > rank) return std::nullopt;
  if (constant.numel() == 1) return constant.reshape({1}).expand({channels.count});
  const int64_t axis = channels.axis - (rank - constant.dim());
  if (axis < 0 || constant.size(axis) != channels.count || constant.numel() != channels.count) return std::nullopt;
  return constant.reshape({channels.count});
}

std::optional<ScaleAndShift> of_batch_norm(const Node& node, const Attributes& attributes, const Channels& channels) {
  if (attributes.get_int("training_mode", 0) != 0 || channels.axis != 1) return std::nullopt;
  const Tensors& c = node.constants;
  for (size_t i = 1; i < 5; ++i)
    if (!c[i].defined() || c[i].numel() != channels.count) return std::nullopt;
  const Tensor scale = c[1] / (c[4] + attributes.get_float("epsilon", 1e-5)).sqrt();
  return ScaleAndShift{scale, c[2] - c[3] * scale};
}

/// What `node` does to its data input, where that is to scale and shift channels.
std::optional<ScaleAndShift> scale_and_shift(const Graph::Impl& graph, const Node& node, size_t data,
                                             const Channels& channels, int64_t rank) {
  const std::string_view type = node.type();
  if (type == "BatchNormalization") return of_batch_norm(node, spec_of(graph, node).spec.attributes, channels);
  if ((type != "Add" && type != "Mul" && type != "Sub") || (type == "Sub" && data != 0)) return std::nullopt;
  const auto other = per_channel(node.constants[1 - data], channels, rank);
  if (!other) return std::nullopt;
  const Tensor one = at::ones({channels.count}, other->options()), zero = at::zeros({channels.count}, other->options());
  if (type == "Mul") return ScaleAndShift{*other, zero};
  return ScaleAndShift{one, type == "Add" ? *other : -*other};
}

std::shared_ptr<const Operator> plain_gemm(bool transpose_b) {
  NodeSpec spec;
  spec.op_type = "Gemm";
  spec.inputs = {"x", "weight", "bias"};
  spec.outputs = {"y"};
  spec.attributes.set("transB", static_cast<int64_t>(transpose_b));
  return OperatorRegistry::all().make({spec, Tensors(3)});
}

/// A layer with constant weights as  weight, bias  that can be scaled by output channel.
struct Layer {
  std::shared_ptr<const Operator> op;
  Tensor weight;
  Tensor bias;  ///< [M]; undefined: none
  Tensor (*along_outputs)(const Tensor& scale, const Tensor& weight, int64_t groups);
  int64_t groups = 1;
  Channels channels;
};

std::optional<Layer> layer_of(const Graph::Impl& graph, const Node& node, int64_t rank) {
  const std::string_view type = node.type();
  if (type != "Conv" && type != "ConvTranspose" && type != "Gemm" && type != "MatMul") return std::nullopt;
  const Tensor& weight = node.constants[1];
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kAbsent;
  if (!node.wanted[0] || !weight.defined() || (has_bias && !node.constants[2].defined())) return std::nullopt;
  const Attributes& attributes = spec_of(graph, node).spec.attributes;
  const Tensor bias = has_bias ? node.constants[2] : Tensor();
  if (type == "Conv")
    return Layer{node.op,
                 weight,
                 bias,
                 [](const Tensor& scale, const Tensor& w, int64_t) {
                   std::vector<int64_t> shape(static_cast<size_t>(w.dim()), 1);
                   shape[0] = -1;
                   return w * scale.view(shape);
                 },
                 1,
                 {weight.size(0), 1}};
  if (type == "ConvTranspose") {  // [C, M/groups, ...]
    const int64_t groups = attributes.get_int("group", 1);
    return Layer{node.op,
                 weight,
                 bias,
                 [](const Tensor& scale, const Tensor& w, int64_t groups) {
                   std::vector<int64_t> shape(static_cast<size_t>(w.dim()), 1);
                   shape[0] = w.size(0);
                   shape[1] = w.size(1);
                   const Tensor spread =
                       scale.view({groups, 1, w.size(1)}).expand({groups, w.size(0) / groups, w.size(1)});
                   return w * spread.reshape(shape);
                 },
                 groups,
                 {weight.size(1) * groups, 1}};
  }
  if (weight.dim() != 2 || attributes.get_int("transA", 0) != 0) return std::nullopt;
  const bool rows = type == "Gemm" && attributes.get_int("transB", 0) != 0;
  const Channels channels{weight.size(rows ? 0 : 1), rank - 1};
  const Tensor added = bias.defined() ? bias * attributes.get_float("beta", 1) : bias;
  if (added.defined() && !per_channel(added, channels, rank)) return std::nullopt;
  return Layer{plain_gemm(rows),
               weight * (type == "Gemm" ? attributes.get_float("alpha", 1) : 1.0),
               added.defined() ? *per_channel(added, channels, rank) : added,
               rows ? +[](const Tensor& scale, const Tensor& w, int64_t) { return w * scale.view({-1, 1}); }
                    : +[](const Tensor& scale, const Tensor& w, int64_t) { return w * scale; },
               1,
               channels};
}

Node merged(const Node& layer_node, const Layer& layer, const ScaleAndShift& by, const Node& follower) {
  Node node = layer_node;
  node.op = layer.op;
  node.inputs = {layer_node.inputs[0], kAbsent, kAbsent};
  node.wanted = {true, false, false};
  const Tensor shift = by.shift.to(layer.weight.options());
  const Tensor scale = by.scale.to(layer.weight.options());
  node.constants = {Tensor(), layer.along_outputs(scale, layer.weight, layer.groups),
                    layer.bias.defined() ? layer.bias * scale + shift : shift};
  node.merged.push_back(layer_node.outputs[0]);
  node.outputs = follower.outputs;
  return node;
}

}  // namespace

std::vector<Node> merge_scales_and_shifts(const Graph::Impl& graph, std::vector<Node> nodes,
                                          const std::vector<int>& kept) {
  std::vector<int> uses(graph.values.size(), 0);
  for (const Node& node : nodes)
    for (const int id : node.inputs)
      if (id != kAbsent) ++uses[id];
  for (const int id : kept) ++uses[id];

  std::vector<Node> result;
  std::unordered_map<int, size_t> maker;  // of values, among `result`
  // Layers as they were read from the file, by the value that they now give: merged nodes are layers again.
  std::unordered_map<int, Layer> layers;
  for (const Node& node : nodes) {
    const size_t data = std::find(node.wanted.begin(), node.wanted.end(), true) - node.wanted.begin();
    const bool one = std::count(node.wanted.begin(), node.wanted.end(), true) == 1 && node.outputs.size() == 1;
    const auto layer = one ? layers.find(node.inputs[data]) : layers.end();
    if (layer != layers.end() && uses[node.inputs[data]] == 1) {
      const auto rank = static_cast<int64_t>(graph.values[node.inputs[data]].traced.shape.size());
      if (const auto by = scale_and_shift(graph, node, data, layer->second.channels, rank)) {
        const size_t place = maker.at(node.inputs[data]);
        Layer now = layer->second;
        result[place] = merged(result[place], now, *by, node);
        now.weight = result[place].constants[1];
        now.bias = result[place].constants[2];
        layers.insert_or_assign(node.outputs[0], now);
        maker[node.outputs[0]] = place;
        continue;
      }
    }
    const int output = node.outputs[0];
    if (output != kAbsent) {
      maker[output] = result.size();
      const auto rank = static_cast<int64_t>(graph.values[output].traced.shape.size());
      if (const auto found = layer_of(graph, node, rank)) layers.insert_or_assign(output, *found);
    }
    result.push_back(node);
  }
  return result;
}

}  // namespace vitrail
