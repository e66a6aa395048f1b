#pragma once

// Which rule which layer takes: composites, single layers, the box of pixels.

#include <vitrail/lrp.h>

#include <map>
#include <string>

#include "attribution/relevance/relevance_graph.h"
#include "ops/relevance.h"

namespace vitrail {

/// The rules of one composite for one graph.
class RuleBook {
 public:
  /// `by_name`: "NAME:RULE+NAME:RULE" or "none". UsageErrors for unknown layers, rules, and layers without weights.
  RuleBook(const RelevanceGraph& graph, const LrpOptions& options);

  LayerRule operator()(const RelevanceGraph::Node& node) const;

  /// Some layer takes zbox, so set_box must be called.
  bool needs_box() const;
  /// The box of the first layers: what black and white images (forward passes) are there.
  void set_box(const RelevanceGraph& graph, const Tensors& black, const Tensors& white);

 private:
  LayerRule::Kind kind_of(const RelevanceGraph::Node& node) const;

  LrpOptions options_;
  std::vector<const RelevanceGraph::Node*> weighted_;
  std::map<std::vector<int>, LayerRule> by_name_;                     ///< by the outputs of the node
  std::map<std::vector<int>, std::pair<Tensor, Tensor>> boxes_ = {};  ///< by the inputs of the node
};

}  // namespace vitrail
