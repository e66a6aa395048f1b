// What a graph tells about itself.

#include "vitrail/graph.h"

#include <algorithm>

#include "base/text.h"
#include "graph/graph_impl.h"
#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    case at::kShort:
      return "int16";
    case at::kChar:
      return "int8";
    case at::kByte:
      return "uint8";
    case at::kBool:
      return "bool";
    default:
      return at::toString(type);
  }
}

}  // namespace

std::string to_string(const Shape& shape) {
  std::string text;
  for (const Dim& dim : shape) {
    if (!text.empty()) text += ",";
    if (dim.per_batch == 0) {
      text += std::to_string(dim.fixed);
      continue;
    }
    text += dim.per_batch == 1 ? "N" : std::to_string(dim.per_batch) + "*N";
    if (dim.fixed > 0) text += "+" + std::to_string(dim.fixed);
    if (dim.fixed < 0) text += std::to_string(dim.fixed);
  }
  return "[" + text + "]";
}

ValueInfo Graph::Impl::info(int id) const {
  return {values[id].name, type_name(values[id].traced.type), values[id].traced.shape};
}

int Graph::Impl::find(const std::string& name) const {
  auto it = ids.find(name);
  if (it != ids.end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [key, id] : ids)
    if (!values[id].constant.defined()) known.push_back(key);
  throw UsageError("the model has no layer or value '" + name + "'. " + did_you_mean(name, known) +
                   " `vitrail inspect MODEL` lists all of them.");
}

const std::vector<ValueInfo>& Graph::inputs() const { return impl_->inputs; }
const std::vector<ValueInfo>& Graph::outputs() const { return impl_->outputs; }
const std::vector<LayerInfo>& Graph::layers() const { return impl_->layers; }
const BatchSupport& Graph::batch() const { return impl_->batch; }
const std::map<std::string, std::string>& Graph::metadata() const { return impl_->metadata; }
const std::string& Graph::sha256() const { return impl_->sha256; }
const std::string& Graph::path() const { return impl_->path; }
c10::Device Graph::device() const { return impl_->device; }
const std::vector<std::string>& Graph::notes() const { return impl_->notes; }

std::vector<ValueInfo> Graph::values() const {
  std::vector<ValueInfo> result;
  for (const Impl::Node& node : impl_->nodes)
    for (int output : node.outputs)
      if (output != Impl::kAbsent) result.push_back(impl_->info(output));
  return result;
}

std::vector<NodeInfo> Graph::nodes() const {
  std::vector<NodeInfo> result;
  for (const Impl::Node& node : impl_->nodes)
    result.push_back({node.spec.op_type, node.spec.name, node.op->describe(), node.spec.inputs, node.spec.outputs});
  return result;
}

ValueInfo Graph::value(const std::string& name) const { return impl_->info(impl_->find(name)); }
std::string Graph::resolve(const std::string& name) const { return impl_->values[impl_->find(name)].name; }
bool Graph::has_value(const std::string& name) const { return impl_->ids.count(name) > 0; }

namespace {

const Tensor& constant_of(const Graph::Impl& graph, const std::string& name) {
  const Tensor& constant = graph.values[static_cast<size_t>(graph.find(name))].constant;
  if (!constant.defined())
    throw UsageError("'" + name + "' is computed by the graph; expected the name of a constant.");
  return constant;
}

}  // namespace

Tensor Graph::constant(const std::string& name) const { return constant_of(*impl_, name).clone(); }

Graph Graph::with_constants(const std::map<std::string, Tensor>& constants) const {
  auto changed = std::make_shared<Impl>(*impl_);
  for (const auto& [name, value] : constants) {
    const Tensor& former = constant_of(*impl_, name);
    if (!value.defined() || value.sizes() != former.sizes())
      throw UsageError("the constant '" + name + "' keeps its shape of " + std::to_string(former.dim()) + " axes and " +
                       std::to_string(former.numel()) + " values; found " +
                       (value.defined() ? std::to_string(value.numel()) : "no") + " values.");
    changed->values[static_cast<size_t>(changed->find(name))].constant = value.detach().to(former.options()).clone();
  }
  changed->notes.push_back(std::to_string(constants.size()) + " constants were replaced after loading");
  return Graph(std::move(changed));
}

std::vector<std::string> Graph::non_differentiable(const std::string& from, const std::string& to) const {
  const Impl& graph = *impl_;
  std::vector<char> reached(graph.values.size(), 0), leads(graph.values.size(), 0);
  reached[graph.find(from)] = 1;
  leads[graph.find(to)] = 1;
  auto any = [](const std::vector<int>& ids, const std::vector<char>& marked) {
    return std::any_of(ids.begin(), ids.end(), [&](int id) { return id != Impl::kAbsent && marked[id]; });
  };
  auto mark = [](const std::vector<int>& ids, std::vector<char>& marked) {
    for (int id : ids)
      if (id != Impl::kAbsent) marked[id] = 1;
  };
  for (const Impl::Node& node : graph.nodes)
    if (any(node.inputs, reached)) mark(node.outputs, reached);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
    if (any(node->outputs, leads)) mark(node->inputs, leads);
  std::vector<std::string> result;
  for (const Impl::Node& node : graph.nodes)
    if (!node.op->differentiable() && any(node.inputs, reached) && any(node.outputs, leads))
      result.push_back(node_title(node.spec));
  return result;
}

std::vector<std::string> Graph::beside(const std::string& from, const std::string& to) const {
  const Impl& graph = *impl_;
  std::vector<char> reached(graph.values.size(), 0), fed(graph.values.size(), 0), listed(graph.values.size(), 0);
  const int first = graph.find(from), last = graph.find(to);
  reached[first] = fed[first] = 1;
  for (const ValueInfo& input : graph.inputs) fed[graph.find(input.name)] = 1;
  std::vector<std::string> result;
  const auto take = [&](int id) {
    if (id == Impl::kAbsent || reached[id] || listed[id] || !graph.values[id].traced.depends_on_input) return;
    listed[id] = 1;
    result.push_back(graph.values[id].name);
  };
  const auto is_reached = [&](int id) { return id != Impl::kAbsent && reached[id]; };
  for (const Impl::Node& node : graph.nodes)
    if (std::any_of(node.inputs.begin(), node.inputs.end(), is_reached))
      for (const int output : node.outputs)
        if (output != Impl::kAbsent) reached[output] = 1;
  if (!reached[last]) return {graph.values[last].name};
  // Nodes that compute what is reached and needed; the rest of the needed ones only computes what is fed.
  for (const int n : graph.needed_nodes(fed, {last})) {
    const Impl::Node& node = graph.nodes[n];
    if (std::any_of(node.inputs.begin(), node.inputs.end(), is_reached))
      for (const int input : node.inputs) take(input);
  }
  return result;
}

}  // namespace vitrail
