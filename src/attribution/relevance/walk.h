#pragma once

// The reverse walk over the graph: what arrives at the logits goes back node by node to the input. The rule set decides
// how (ops/relevance.h); each use of an operator is a node of its own, so nothing is shared by accident.
//
//   gradient     the derivative; with RunContext::backward_rule also guided and deconv. Equal to autograd's.
//   relevance    layer-wise relevance propagation, with the LayerRule that `rule_of` gives each node
//   deeplift     multipliers from a baseline

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "attribution/relevance/relevance_graph.h"
#include "ops/relevance.h"

namespace vitrail {

struct Walk {
  enum class Rules { gradient, relevance, deeplift };
  Rules rules = Rules::gradient;
  BackwardRule backward_rule = BackwardRule::plain;

  std::function<LayerRule(const RelevanceGraph::Node&)> rule_of = {};  ///< relevance; empty: the default LayerRule
  const Tensors* baseline = nullptr;                                   ///< deeplift: the forward pass on the baseline

  /// Changes what arrived at a value before it goes on: conditions. By number of the value.
  std::map<int, std::function<Tensor(const Tensor&)>> changes = {};

  /// Sees every node with what arrived at its outputs (undefined: nothing).
  std::function<void(const RelevanceGraph::Node&, const Tensors&)> visit = {};
};

struct WalkResult {
  Tensor at_input;                       ///< of the shape of the network's input
  std::map<std::string, int64_t> rules;  ///< how many nodes took which rule
  std::vector<std::string> by_default;   ///< nodes whose operator has no rule of its own
  double to_biases = 0;                  ///< relevance that biases took
};

/// `seed`: what arrives at the logits, of their value's shape.
WalkResult walk_back(const RelevanceGraph& graph, const Tensors& values, const Tensor& seed, const Walk& walk);

/// [C,H,W] from what arrived at the network's input, whatever its layout.
Tensor as_planes(const RelevanceGraph& graph, const Tensor& at_input, const Tensor& input);

/// Scores [T] of targets where the output value is `value`.
Tensor scores_at(const RelevanceGraph& graph, const Tensor& input, const Tensor& value,
                 std::span<const Target> targets);

/// d score / d output value at `value`; where `base` is given, its average on the straight way from there.
Tensor target_gradient(const RelevanceGraph& graph, const Tensor& input, const Tensor& value, const Target& target,
                       const Tensor& base = {});

/// The quadrature of DeepLIFT's averages.
const PathRule& path_rule();

}  // namespace vitrail
