#include "evaluation/sanity/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "attribution/random.h"
#include "graph/graph_impl.h"

namespace vitrail {

namespace {

/// Undefined where the node has no such input, or where it is computed.
const Tensor& constant_input(const Graph::Impl& graph, const Graph::Impl::Node& node, size_t place) {
  static const Tensor none;
  if (place >= node.inputs.size() || node.inputs[place] == Graph::Impl::kAbsent) return none;
  return graph.values[static_cast<size_t>(node.inputs[place])].constant;
}

std::string name_of_input(const Graph::Impl& graph, const Graph::Impl::Node& node, size_t place) {
  return graph.values[static_cast<size_t>(node.inputs[place])].name;
}

/// Values that one output of the layer is a sum of.
int64_t fan_in_of(const Graph::Impl::Node& node, const Tensor& weight) {
  if (node.spec.op_type == "Conv") return weight.numel() / weight.size(0);
  if (node.spec.op_type == "ConvTranspose") return weight.numel() / weight.size(1);
  return weight.size(-2);  // MatMul; Gemm where it is not transposed
}

bool is_transposed(const Graph::Impl::Node& node) { return node.spec.attributes.get_int("transB", 0) != 0; }

}  // namespace

std::vector<WeightedLayer> weighted_layers(const Graph& graph) {
  const Graph::Impl& impl = graph.impl();
  std::vector<WeightedLayer> layers;
  for (const Graph::Impl::Node& node : impl.nodes) {
    const std::string& op = node.spec.op_type;
    if (op != "Conv" && op != "ConvTranspose" && op != "Gemm" && op != "MatMul") continue;
    const Tensor& weight = constant_input(impl, node, 1);
    if (!weight.defined() || !weight.is_floating_point() || weight.dim() < 2) continue;
    WeightedLayer layer;
    layer.node = node.spec.name;
    layer.op = op;
    layer.weight = name_of_input(impl, node, 1);
    layer.fan_in = op == "Gemm" && is_transposed(node) ? weight.size(-1) : fan_in_of(node, weight);
    if (op != "MatMul" && constant_input(impl, node, 2).defined()) layer.bias = name_of_input(impl, node, 2);
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::map<std::string, Tensor> draw_weights(const Graph& graph, const WeightedLayer& layer, WeightSource source,
                                           uint64_t seed, uint64_t number) {
  Random random(seed, RandomStream::weights, number);
  const auto uniform = [&](const Tensor& like) {
    Tensor values = at::empty(like.sizes(), at::kDouble);
    for (int64_t i = 0; i < values.numel(); ++i) values.mutable_data_ptr<double>()[i] = random.uniform();
    return values;
  };
  const Tensor weight = graph.constant(layer.weight);
  std::map<std::string, Tensor> drawn;
  switch (source) {
    case WeightSource::initializer: {
      Tensor values = at::empty(weight.sizes(), at::kFloat);
      random.fill_normal({values.mutable_data_ptr<float>(), static_cast<size_t>(values.numel())});
      drawn[layer.weight] = values * std::sqrt(2.0 / static_cast<double>(layer.fan_in));
      if (!layer.bias.empty()) drawn[layer.bias] = at::zeros_like(graph.constant(layer.bias));
      break;
    }
    case WeightSource::permute:
      drawn[layer.weight] =
          weight.flatten().index_select(0, uniform(weight.flatten()).argsort(/*stable=*/true)).view(weight.sizes());
      break;
    case WeightSource::uniform01:
      drawn[layer.weight] = uniform(weight);
      if (!layer.bias.empty()) drawn[layer.bias] = uniform(graph.constant(layer.bias));
      break;
  }
  return drawn;
}

}  // namespace vitrail
