#include "attribution/relevance/relevance_graph.h"

#include <ATen/core/grad_mode.h>
#include <vitrail/error.h>

#include <algorithm>
#include <set>

#include "attribution/relevance/merge.h"
#include "ops/failure.h"

namespace vitrail {

namespace {

constexpr int kAbsent = Graph::Impl::kAbsent;

bool any(const std::vector<int>& ids, const std::vector<char>& marked) {
  return std::any_of(ids.begin(), ids.end(), [&](int id) { return id != kAbsent && marked[id]; });
}

void mark(const std::vector<int>& ids, std::vector<char>& marked) {
  for (const int id : ids)
    if (id != kAbsent) marked[id] = 1;
}

bool has_positions(const Shape& shape) {
  return std::any_of(shape.begin() + 2, shape.end(), [](const Dim& dim) { return dim != Dim{1, 0}; });
}

bool is_weighted(const RelevanceGraph::Node& node) {
  static const std::set<std::string_view> kinds = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum"};
  return kinds.count(node.type()) > 0 && node.wanted[0] &&
         std::count(node.wanted.begin(), node.wanted.end(), true) == 1 &&
         (node.type() != "Einsum" || node.wanted.size() == 2);
}

}  // namespace

RelevanceGraph::RelevanceGraph(const Model& model, bool merge, const std::string& visible) : model_(model) {
  const Graph::Impl& graph = impl();
  input_ = graph.find(model.input_value());
  output_ = graph.find(model.only_output_value("relevance"));
  std::vector<char> reached(graph.values.size(), 0), leads(graph.values.size(), 0);
  reached[input_] = leads[output_] = 1;
  for (const auto& node : graph.nodes)
    if (any(node.inputs, reached)) mark(node.outputs, reached);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
    if (any(node->outputs, leads)) mark(node->inputs, leads);
  for (const auto& node : graph.nodes)
    if (any(node.inputs, reached) && any(node.outputs, leads)) nodes_.push_back(make_node(node, reached));
  if (merge) {
    std::vector<int> kept = {output_};
    if (!visible.empty()) kept.push_back(graph.find(visible));
    nodes_ = merge_scales_and_shifts(graph, std::move(nodes_), kept);
  }
  for (Node& node : nodes_) {
    node.weighted = is_weighted(node);
    node.dense = node.weighted &&
                 !(node.type().starts_with("Conv") && has_positions(graph.values[node.outputs[0]].traced.shape));
  }
  mark_first();
}

RelevanceGraph::Node RelevanceGraph::make_node(const Graph::Impl::Node& node, const std::vector<char>& reached) const {
  Node made{node.op, node_title(node.spec), node.inputs, node.outputs, {}, {}};
  for (const int id : node.inputs) {
    made.constants.push_back(id == kAbsent ? Tensor() : impl().values[id].constant);
    made.wanted.push_back(id != kAbsent && reached[id] && at::isFloatingType(impl().values[id].traced.type));
  }
  return made;
}

void RelevanceGraph::mark_first() {
  std::vector<char> behind(values(), 0);
  for (Node& node : nodes_) {
    const bool later = any(node.inputs, behind);
    node.first = node.weighted && !later;
    if (node.weighted || later) mark(node.outputs, behind);
  }
}

int RelevanceGraph::find(const std::string& layer) const {
  const int value = impl().find(layer);
  const auto writes = [&](const Node& node) {
    return std::count(node.outputs.begin(), node.outputs.end(), value) +
           std::count(node.merged.begin(), node.merged.end(), value);
  };
  if (std::none_of(nodes_.begin(), nodes_.end(), writes))
    throw UsageError("the layer '" + layer +
                     "' does not lie between the input and the logits. `vitrail inspect MODEL` lists all layers.");
  return value;
}

Tensors RelevanceGraph::forward(const Tensor& input) const {
  const at::NoGradGuard no_grad;
  std::vector<char> needed(values(), 0);
  for (const Node& node : nodes_) {
    mark(node.inputs, needed);
    mark(node.outputs, needed);
  }
  needed[output_] = 1;
  std::vector<std::string> names;
  std::vector<int> ids;
  for (size_t id = 0; id < needed.size(); ++id) {
    if (!needed[id] || impl().values[id].constant.defined()) continue;
    ids.push_back(static_cast<int>(id));
    names.push_back(impl().values[id].name);
  }
  const Tensors found = model_.graph().run({{model_.input_value(), model_.to_layout(input)}}, names);
  Tensors all(values());
  for (size_t i = 0; i < ids.size(); ++i) all[ids[i]] = found[i];
  return all;
}

Tensors RelevanceGraph::inputs_of(const Node& node, const Tensors& values) const {
  Tensors in = node.constants;
  for (size_t i = 0; i < in.size(); ++i)
    if (!in[i].defined() && node.inputs[i] != kAbsent) in[i] = values[node.inputs[i]];
  return in;
}

Tensors RelevanceGraph::outputs_of(const Node& node, const Tensors& values) const {
  Tensors out;
  for (const int id : node.outputs) out.push_back(id == kAbsent ? Tensor() : values[id]);
  return out;
}

const Model& model_of(const Probe& probe, const std::string& method) {
  const Model* model = probe.model();
  if (!model)
    throw UsageError(method +
                     " walks back over the nodes of a network, and this scorer is a function. Load the model as a "
                     "graph, or take integrated_gradients.");
  return *model;
}

}  // namespace vitrail
