// Layers by the framework's names. Exporters leave three traces of the modules a network was made of:
// the scope of a node ("layer1.0.bn1"), the path in its name (older exporter; the reader turns it into the
// scope), and the names of weights ("layer1.0.conv1.weight"). After batch-norm folding a convolution
// carries the scope of its normalisation and only the weight remembers the convolution: both names count.

#include <algorithm>

#include "graph/graph_impl.h"

namespace vitrail {
namespace {

/// "layer1.0.conv1.weight" -> "layer1.0.conv1"; empty for names that are no parameter of a module.
std::string module_of_parameter(const std::string& name) {
  for (const char* suffix : {".weight", ".bias", ".running_mean", ".gamma", ".beta"}) {
    std::string ending = suffix;
    if (name.size() > ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
      return name.substr(0, name.size() - ending.size());
  }
  return {};
}

std::string module_by_weight(const Graph::Impl& impl, const Graph::Impl::Node& node) {
  for (int input : node.inputs) {
    if (input == Graph::Impl::kAbsent || !impl.values[input].constant.defined()) continue;
    std::string module = module_of_parameter(impl.values[input].name);
    if (!module.empty()) return module;
  }
  return {};
}

}  // namespace

std::vector<LayerInfo> name_layers(const Graph::Impl& impl, std::unordered_map<std::string, int>& names) {
  std::unordered_map<std::string, int> by_scope, by_weight;
  for (const Graph::Impl::Node& node : impl.nodes) {
    int value = node.outputs.front();
    if (value == Graph::Impl::kAbsent || node.spec.op_type == "BatchShape") continue;
    // A module's value is that of its last node, so a container is named by its end: "layer4".
    for (std::string scope = node.spec.scope; !scope.empty();) {
      by_scope[scope] = value;
      size_t dot = scope.rfind('.');
      scope = dot == std::string::npos ? "" : scope.substr(0, dot);
    }
    std::string module = module_by_weight(impl, node);
    if (!module.empty()) by_weight[module] = value;
  }
  for (const auto& [name, value] : by_weight)
    if (!by_scope.count(name)) by_scope[name] = value;

  // Of the names of one value the deepest describes it best: "layer4.1.conv2" rather than "layer4".
  std::unordered_map<int, std::string> best;
  auto deeper = [](const std::string& a, const std::string& b) {
    auto depth = [](const std::string& s) { return std::count(s.begin(), s.end(), '.'); };
    return std::make_tuple(depth(a), a.size(), a) > std::make_tuple(depth(b), b.size(), b);
  };
  for (const auto& [name, value] : by_scope) {
    names.emplace(name, value);
    std::string& current = best[value];
    if (current.empty() || deeper(name, current)) current = name;
  }

  std::vector<LayerInfo> layers;
  for (const Graph::Impl::Node& node : impl.nodes) {
    int value = node.outputs.front();
    if (value == Graph::Impl::kAbsent || node.spec.op_type == "BatchShape") continue;
    auto name = best.find(value);
    layers.push_back({name == best.end() ? impl.values[value].name : name->second, impl.values[value].name,
                      impl.values[value].traced.shape, node.spec.op_type});
  }
  return layers;
}

}  // namespace vitrail
