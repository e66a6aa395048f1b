#pragma once

// The frozen graph: values and nodes by number.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/draft.h"
#include "vitrail/graph.h"

namespace vitrail {

struct Graph::Impl {
  static constexpr int kAbsent = -1;

  struct Value {
    std::string name;
    TracedValue traced;
    Tensor constant;  ///< undefined for computed values
  };
  struct Node {
    NodeSpec spec;
    std::shared_ptr<const Operator> op;
    std::vector<int> inputs, outputs;  ///< value numbers; kAbsent where optional ones are missing
  };

  std::vector<Value> values;
  std::vector<Node> nodes;
  std::unordered_map<std::string, int> ids;  ///< value names, layer names and aliases
  std::vector<ValueInfo> inputs, outputs;
  std::vector<LayerInfo> layers;
  BatchSupport batch;
  int64_t base_batch = 1;
  std::vector<std::string> notes;
  std::map<std::string, std::string> metadata;
  std::string path, sha256;
  at::ScalarType float_type = at::kFloat;
  c10::Device device = c10::Device(c10::kCPU);

  ValueInfo info(int id) const;
  int find(const std::string& name) const;  ///< throws UsageError with the nearest names
  std::vector<int> needed_nodes(const std::vector<char>& fed, const std::vector<int>& fetches) const;
  Tensors run_batch(const std::vector<std::pair<int, Tensor>>& feeds, const std::vector<int>& fetches, int64_t batch,
                    const RunOptions& options) const;
  /// What the groups of a looped run gave for a value, as one tensor.
  Tensor join_groups(int id, const Tensors& groups) const;
};

/// Nodes whose operator vitrail does not have, in subgraphs too: "MyOp node 'a', domain 'x', opset 1".
std::vector<std::string> unsupported_operators(OnnxModel& model);

/// Layers by the framework's names; see layers.cpp for how they are found.
std::vector<LayerInfo> name_layers(const Graph::Impl& impl, std::unordered_map<std::string, int>& names);

}  // namespace vitrail
