#include "attribution/relevance/attention_maps.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>

#include "base/text.h"
#include "ops/registry.h"

namespace vitrail {

namespace {

using Node = RelevanceGraph::Node;

/// The most tokens in front of the patches: a class token, a distillation token, registers.
constexpr int64_t kMostExtraTokens = 8;

const NodeSpec& spec_of(const RelevanceGraph& graph, const Node& node) {
  const auto& nodes = graph.model().graph().impl().nodes;
  return std::find_if(nodes.begin(), nodes.end(), [&](const auto& other) { return other.outputs == node.outputs; })
      ->spec;
}

/// The same Attention, giving the softmax as its fourth output.
std::unique_ptr<Operator> with_probabilities(NodeSpec spec) {
  constexpr int64_t after_softmax = 3;
  spec.outputs = {"y", "key", "value", "probabilities"};
  spec.attributes.set("qk_matmul_output_mode", after_softmax);
  return OperatorRegistry::all().make({spec, Tensors(spec.inputs.size())});
}

/// [N,heads,tokens,size] of one sample as [heads,tokens,size], a key head repeated for the query heads that share it.
Tensor heads_of(const Tensor& x, int64_t heads) {
  return x.size(1) == heads ? x[0] : x[0].repeat_interleave(heads / x.size(1), 0);
}

std::optional<AttentionLayer> read_attention(const RelevanceGraph& graph, const Node& node, const Tensors& values) {
  const Tensors out = with_probabilities(spec_of(graph, node))->forward(graph.inputs_of(node, values), RunContext{});
  const Tensor& probabilities = out[3];
  if (probabilities.size(0) != 1 || probabilities.size(2) != probabilities.size(3)) return std::nullopt;
  return AttentionLayer{&node, probabilities[0], heads_of(out[2], probabilities.size(1))};
}

/// A softmax over the last axis of matrices [...,tokens,tokens].
std::optional<AttentionLayer> read_softmax(const RelevanceGraph& graph, const Node& node, const Tensors& values) {
  const Tensor& p = values[node.outputs[0]];
  const int64_t rank = p.dim(), axis = spec_of(graph, node).attributes.get_int("axis", -1);
  if (rank < 3 || (axis != -1 && axis != rank - 1) || p.size(-1) != p.size(-2)) return std::nullopt;
  return AttentionLayer{&node, p.reshape({-1, p.size(-2), p.size(-1)}), Tensor()};
}

bool mixes_by_attention(const Node& node) { return node.type() == "Attention" || node.type() == "Softmax"; }

Tensor gradient_of(const AttentionLayer& layer, const Tensors& arrived) {
  const Tensor& p = layer.probabilities;
  if (!layer.values.defined()) return arrived[0].reshape(p.sizes());
  Tensor at_output = arrived[0];  // [1,heads,tokens,size], or [1,tokens,heads * size]
  if (at_output.dim() == 3) at_output = at_output.unflatten(2, at::IntArrayRef{p.size(0), -1}).transpose(1, 2);
  const Tensor gradient = at::matmul(at_output[0], layer.values.transpose(1, 2));
  return arrived.size() > 3 && arrived[3].defined() ? gradient + arrived[3][0] : gradient;
}

/// Rows of a layer's mixed values that the score depends on, alike; all where it depends on none.
Tensor rows_read(const Tensor& gradient) {
  const Tensor read = gradient.abs().amax({0, 2}).gt(0).to(gradient.scalar_type());
  const Tensor rows = read.sum().item<double>() == 0 ? at::ones_like(read) : read;
  return rows / rows.sum();
}

}  // namespace

std::optional<TokenGrid> find_token_grid(const RelevanceGraph& graph, int64_t tokens) {
  for (const Node& node : graph.nodes()) {
    const Shape shape = graph.model().graph().value(graph.name(node.outputs[0])).shape;
    if (node.type() != "Conv" || shape.size() != 4) continue;
    const int64_t height = shape[2].fixed, width = shape[3].fixed, extra = tokens - height * width;
    if (height * width > 1 && extra >= 0 && extra <= kMostExtraTokens) return TokenGrid{height, width, extra};
  }
  return std::nullopt;
}

Attention find_attention(const RelevanceGraph& graph, const Tensors& values, const std::string& method) {
  const at::NoGradGuard no_grad;
  Attention attention;
  for (const Node& node : graph.nodes()) {
    if (!mixes_by_attention(node)) continue;
    const auto layer =
        node.type() == "Attention" ? read_attention(graph, node, values) : read_softmax(graph, node, values);
    const int64_t tokens = layer ? layer->probabilities.size(1) : 0;
    if (layer && attention.layers.empty())
      if (const auto grid = find_token_grid(graph, tokens)) attention.grid = *grid;
    if (layer && tokens == attention.grid.tokens())
      attention.layers.push_back(*layer);
    else
      attention.left_out.push_back(node.title);
  }
  if (attention.layers.empty())
    throw UsageError(method + ": the network has no attention that joins all patches of the photo" +
                     (attention.left_out.empty() ? std::string() : " (it has " + join(attention.left_out) + ")") +
                     ". Take attn_lrp, or a method that needs no attention, such as integrated_gradients.");
  return attention;
}

AttentionGradients attention_gradients(const RelevanceGraph& graph, const Tensors& values, const Attention& attention,
                                       const Tensor& seed) {
  AttentionGradients found{Tensors(attention.layers.size()), {}};
  const AttentionLayer& last = attention.layers.back();
  Walk walk;
  walk.visit = [&](const Node& node, const Tensors& arrived) {
    for (size_t i = 0; i < attention.layers.size(); ++i) {
      const AttentionLayer& layer = attention.layers[i];
      if (layer.node != &node) continue;
      found.gradients[i] = arrived[0].defined() ? gradient_of(layer, arrived)
                                                : at::zeros(layer.probabilities.sizes(), layer.probabilities.options());
      if (layer.node == last.node) found.read = rows_read(found.gradients[i]);
    }
  };
  walk_back(graph, values, seed, walk);
  return found;
}

}  // namespace vitrail
