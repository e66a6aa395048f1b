#pragma once

// Which position of the photo every number of every value belongs to.
//
// Beside each value of the graph goes an index tensor of its shape: 0 where a number belongs to no position (class
// token, padding), else 1 + sample * cells + cell of a grid. Operators that only move numbers (Reshape, Transpose,
// Slice, Concat, Gather, ...) move the index tensor by their own forward rule, so windows, shifts and any order of
// tokens need no rule of their own. Others have one of four:
//
//   elementwise   numbers keep their positions (activations, sums, normalisations, softmax)
//   mixing        a sum over dimensions (linear layers, Einsum): the rows keep their position where the dimension holds
//                 one position only; where it holds a box of cells (patch merging, patches cut by a reshape) the grid
//                 becomes that of the boxes, of which those at the end may be cut; else the position is lost
//   attention     the queries' positions
//   window        convolution, pooling, resizing: the same positions where the size stays, else a new grid
//
// Two samples go through together, so that where the batch went is seen as well (index tensors of the second sample).

#include <utility>
#include <vector>

#include "graph/graph_impl.h"

namespace vitrail {

struct EinsumEquation;

enum class PositionRule { moving, elementwise, mixing, attention, window, reduction };
PositionRule position_rule(const std::string& op);

struct Positions {
  Tensor index = {};  ///< int64, the shape of the value at the trace's batch; undefined: no positions
  int64_t height = 0, width = 0;
  bool between = false;  ///< weights from one position to others
  bool planes = false;   ///< known to be [N,C,h,w] in order

  bool defined() const { return index.defined(); }
};

class PositionTrace {
 public:
  /// `photo`: the index tensor of the input value for `batch(graph)` samples, a photo of `height` x `width` pixels.
  PositionTrace(const Graph::Impl& graph, int input, const Tensor& photo, int64_t height, int64_t width);

  /// Samples that are traced: 2, or 1 for a graph that runs one at a time.
  static int64_t batch(const Graph::Impl& graph);

  const Positions& of(int id) const { return values_[static_cast<size_t>(id)]; }

  /// Ways on which positions go to an output.
  struct Reach {
    std::vector<char> leads;    ///< by value: some of it reaches the output
    std::vector<char> carries;  ///< by value: all its positions do
    std::vector<int> last_use;  ///< by value: the last node through which positions go on; -1: none
  };
  Reach reach(int output) const;

 private:
  using Node = Graph::Impl::Node;

  void trace(const Node& node);
  void run_shapes(const Node& node);
  void move(const Node& node);
  Positions elementwise(const Node& node) const;
  Positions mix(const Node& node) const;
  Positions attend(const Node& node) const;
  /// The positions of an Einsum's output, and the input they are from.
  std::pair<Positions, size_t> contract(const Node& node) const;
  Positions slide(const Node& node) const;
  Positions reduce(const Node& node) const;
  bool is_between(const Node& node, const EinsumEquation& equation, size_t source) const;
  size_t source_of(const Node& node) const;
  bool goes_on(const Node& node, size_t input, const Reach& reach) const;

  const Positions& input_of(const Node& node, size_t i) const;
  std::vector<int64_t> sizes(int id) const;

  const Graph::Impl& graph_;
  int64_t batch_;
  std::vector<Positions> values_;
  Tensors shapes_;  ///< by value: integers that depend on the batch alone
};

}  // namespace vitrail
