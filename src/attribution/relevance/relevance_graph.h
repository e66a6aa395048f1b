#pragma once

// A network as a reverse walk sees it: the nodes between input and logits, each use of an operator by itself, and what
// they computed for one sample.
//
// For relevance, what only scales and shifts the outputs of a layer is merged into its weights and bias: a batch
// normalisation after a convolution, a constant added to a product (Conv, ConvTranspose, Gemm, MatMul). A net then has
// the same relevance however its file spells the layer. Values that are merged away have no relevance of their own,
// unless they are named `visible`.

#include <vitrail/model.h>

#include <memory>
#include <string>
#include <vector>

#include "graph/graph_impl.h"
#include "ops/operator.h"

namespace vitrail {

class RelevanceGraph {
 public:
  struct Node {
    std::shared_ptr<const Operator> op;
    std::string title;                 ///< "Conv node 'conv1'"
    std::vector<int> inputs, outputs;  ///< numbers of values; Graph::Impl::kAbsent where there is none
    Tensors constants;                 ///< one an input; undefined where it is no constant
    std::vector<bool> wanted;          ///< inputs that depend on the input of the network and are floating
    std::vector<int> merged = {};      ///< values that this node took over, in order of computation
    bool weighted = false;             ///< linear in input 0, with constant weights
    bool first = false;                ///< weighted, and nothing weighted lies before it
    bool dense = false;  ///< weighted, and no convolution over positions: one with a single output position is dense

    std::string_view type() const { return op->name(); }
  };

  /// `merge` scales and shifts into layers, but for the value named `visible` (empty: none).
  RelevanceGraph(const Model& model, bool merge, const std::string& visible = {});

  const Model& model() const { return model_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  int input() const { return input_; }
  int output() const { return output_; }
  size_t values() const { return impl().values.size(); }

  /// The number of a layer or value; UsageError where relevance does not pass through it.
  int find(const std::string& layer) const;
  std::string name(int value) const { return impl().values[value].name; }

  /// Every value that the nodes read or write, by number, for `input` [1,C,H,W]; without gradients.
  Tensors forward(const Tensor& input) const;
  /// The inputs of a node in a forward pass.
  Tensors inputs_of(const Node& node, const Tensors& values) const;
  Tensors outputs_of(const Node& node, const Tensors& values) const;

 private:
  const Graph::Impl& impl() const { return model_.graph().impl(); }
  Node make_node(const Graph::Impl::Node& node, const std::vector<char>& reached) const;
  void mark_first();

  Model model_;  ///< shares the graph
  int input_, output_;
  std::vector<Node> nodes_;
};

/// The model behind a probe; UsageError where the scorer is a function.
const Model& model_of(const Probe& probe, const std::string& method);

}  // namespace vitrail
