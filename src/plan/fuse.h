#pragma once

// Which nodes of a graph become one step of a plan.

#include <optional>
#include <string>
#include <vector>

#include "graph/graph_impl.h"
#include "plan/layer.h"

namespace vitrail {

/// A step to be: one node, or a layer with the nodes that it took in.
struct DraftStep {
  const Graph::Impl::Node* node = nullptr;  ///< the last one; its first output is the step's
  std::string op;                           ///< "Conv + Add + Relu"
  std::optional<Layer> layer;
  std::vector<int> inputs;  ///< value numbers; of a layer: x, and what it adds
};

/// The steps from one value to others, in an order in which they can run. `direct`: layers are for DirectLayer or a
/// device, which can do more than libtorch's operators of oneDNN.
std::vector<DraftStep> fuse(const Graph::Impl& graph, int input, const std::vector<int>& outputs, bool direct);

}  // namespace vitrail
