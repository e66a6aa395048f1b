#include "plan/fuse.h"

#include <algorithm>

namespace vitrail {
namespace {

class Fuser {
 public:
  Fuser(const Graph::Impl& graph, int input, const std::vector<int>& outputs, bool direct)
      : graph_(graph), direct_(direct), uses_(graph.values.size(), 0), producer_(graph.values.size(), kNone) {
    std::vector<char> fed(graph.values.size(), 0);
    fed[input] = 1;
    order_ = graph.needed_nodes(fed, outputs);
    for (const int n : order_)
      for (const int id : graph.nodes[n].inputs)
        if (id != Graph::Impl::kAbsent) ++uses_[id];
    for (const int id : outputs) ++uses_[id];
  }

  std::vector<DraftStep> steps() {
    for (const int n : order_) {
      const Graph::Impl::Node& node = graph_.nodes[n];
      if (!add_layer(node) && !join(node)) add({&node, node.spec.op_type, std::nullopt, node.inputs});
    }
    std::erase_if(steps_, [](const DraftStep& step) { return step.node == nullptr; });
    return std::move(steps_);
  }

 private:
  static constexpr int kNone = -1;

  void add(DraftStep step) {
    for (const int output : step.node->outputs)
      if (output != Graph::Impl::kAbsent) producer_[output] = static_cast<int>(steps_.size());
    steps_.push_back(std::move(step));
  }

  Tensors constants(const Graph::Impl::Node& node) const {
    Tensors result;
    for (const int id : node.inputs)
      result.push_back(id == Graph::Impl::kAbsent ? Tensor() : graph_.values[id].constant);
    return result;
  }

  const Shape& shape(int id) const { return graph_.values[id].traced.shape; }

  Ints sizes(int id) const {
    Ints result;
    for (const Dim& dim : shape(id)) result.push_back(dim.at(1));
    return result;
  }

  std::optional<Layer> find_layer(const NodeSpec& node, const Tensors& constants, const Ints& input) const {
    auto layer = make_layer(node, constants, input);
    if (layer && !direct_ && !make_symmetric(*layer)) return std::nullopt;
    return layer;
  }

  bool add_layer(const Graph::Impl::Node& node) {
    const int x = node.inputs.empty() ? Graph::Impl::kAbsent : node.inputs[0];
    if (node.inputs.size() < 2 || graph_.values[x].traced.type != at::kFloat) return false;
    if (add_padded_layer(node, x)) return true;
    auto layer = find_layer(node.spec, constants(node), sizes(x));
    if (!layer) return false;
    add({&node, node.spec.op_type, std::move(layer), {x}});
    return true;
  }

  /// A Conv whose input is padded with zeros for it alone does that itself.
  bool add_padded_layer(const Graph::Impl::Node& node, int x) {
    const int step = uses_[x] == 1 ? producer_[x] : kNone;
    if (step == kNone || steps_[step].layer || node.spec.op_type != "Conv") return false;
    const Graph::Impl::Node& pad = *steps_[step].node;
    const auto padding = find_zero_padding(pad.spec, constants(pad), shape(x).size());
    NodeSpec padded = node.spec;
    if (!padding || !add_padding(padded.attributes, *padding)) return false;
    auto layer = find_layer(padded, constants(node), sizes(pad.inputs[0]));
    if (!layer) return false;
    steps_[step] = {};
    add({&node, "Pad + Conv", std::move(layer), {pad.inputs[0]}});
    return true;
  }

  /// The layer that computes a value for this one user, or none.
  int layer_of(int id) const {
    if (id == Graph::Impl::kAbsent || uses_[id] != 1) return kNone;
    const int step = producer_[id];
    return step != kNone && steps_[step].layer ? step : kNone;
  }

  /// Takes the node into the layer that computes one of its inputs: the last one, so that a sum finds its other
  /// operand computed.
  bool join(const Graph::Impl::Node& node) {
    std::vector<std::pair<int, size_t>> candidates;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (const int step = layer_of(node.inputs[i]); step != kNone) candidates.emplace_back(step, i);
    std::sort(candidates.rbegin(), candidates.rend());
    for (const auto& [step, position] : candidates) {
      if (!join(*steps_[step].layer, node, position, steps_[step].inputs)) continue;
      DraftStep joined = std::move(steps_[step]);
      steps_[step] = {};
      joined.node = &node;
      joined.op += " + " + node.spec.op_type;
      add(std::move(joined));
      return true;
    }
    return false;
  }

  bool join(Layer& layer, const Graph::Impl::Node& node, size_t position, std::vector<int>& inputs) const {
    const Shape& y = shape(node.inputs[position]);
    if (node.spec.outputs.size() != 1 || !node.spec.domain.empty()) return false;
    const Tensors given = constants(node);
    if (layer.is_plain()) {
      const auto rank = static_cast<int64_t>(y.size());
      const bool first = layer.kind == Layer::Kind::convolution || layer.channels_first;
      const auto affine = find_affine(node.spec, given, position, rank, first ? 1 : rank - 1, layer.channels());
      // A constant of higher rank than the value would add axes to it.
      if (affine && shape(node.outputs[0]) == y) {
        layer.fold(affine->scale, affine->shift);
        return true;
      }
      const bool to_front = node.spec.op_type == "Transpose" && layer.kind == Layer::Kind::linear &&
                            node.spec.attributes.get_ints("perm") == Ints{0, 3, 1, 2};
      if (to_front && !layer.channels_first) {
        layer.channels_first = true;
        return true;
      }
      const bool is_sum = node.spec.op_type == "Add" && !given[1 - position].defined();
      if (is_sum && shape(node.inputs[1 - position]) == y && node.inputs[1 - position] != node.inputs[position]) {
        layer.adds_other = true;
        inputs.push_back(node.inputs[1 - position]);
        return true;
      }
    }
    if (position != 0) return false;
    const auto activation = find_activation(node.spec, given);
    // Some exporters write a ReLU6 as ReLU and Clip.
    if (activation && layer.activation.name == "relu" && activation->name == "hardtanh" &&
        activation->numbers[0] == 0 && !layer.adds_other) {
      layer.activation = *activation;
      return true;
    }
    if (layer.activation.name != "none") return false;
    const bool can = activation && (direct_ || !layer.adds_other ||
                                    (layer.kind == Layer::Kind::convolution && activation->name == "relu"));
    if (can) layer.activation = *activation;
    return can;
  }

  const Graph::Impl& graph_;
  const bool direct_;
  std::vector<int> order_, uses_;
  std::vector<int> producer_;  ///< of a value: the step
  std::vector<DraftStep> steps_;
};

}  // namespace

std::vector<DraftStep> fuse(const Graph::Impl& graph, int input, const std::vector<int>& outputs, bool direct) {
  return Fuser(graph, input, outputs, direct).steps();
}

}  // namespace vitrail
