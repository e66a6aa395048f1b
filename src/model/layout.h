#pragma once

// How the values of a graph lie over the photo: for every value, which of its numbers belong to which position.
//
// Convolution nets keep positions in the last two dimensions, [N,C,h,w]; transformers in tokens, [N,T,D] or
// [N,h,w,D], with class and register tokens beside them, cut into windows [64*N,49,D], rolled, split into heads.
// Nobody has to say which: positions.h follows every number of the input through the graph.
//
//   const SpatialLayouts& layouts = model.layouts();
//   if (const auto layout = layouts.of("blocks.3.norm1")) {
//     Tensor planes = to_planes(value, *layout);              // [N,K,h,w], K numbers a position
//     Tensor again = from_planes(planes, *layout, value);     // class token, registers and padding from `value`
//   }
//
// Both directions are differentiable. Immutable; may be used from several threads at once.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/positions.h"
#include "vitrail/graph.h"

namespace vitrail {

struct SpatialLayout {
  int64_t height = 0, width = 0;  ///< of the grid of positions
  int64_t channels = 0;           ///< numbers a position has
  /// The numbers are weights from one position to others (attention weights); positions are the rows.
  bool between_positions = false;

  // How the numbers of a sample are ordered.
  std::vector<int64_t> sizes = {};  ///< of the value for one sample, the batch taken out of `batch_axis`
  int64_t batch_axis = 0;           ///< the dimension that grows with the batch
  bool batch_outside = true;        ///< there, samples follow each other; false: they alternate
  Tensor places = {};               ///< int64 [channels * height * width]: where in the sample; undefined: in order
  bool has_others = false;          ///< numbers without position: class token, registers, padding

  bool is_planes() const;  ///< already [N,C,h,w]
};

/// [N,channels,height,width] from a value, and back. `original`, the whole value for as many samples, supplies the
/// numbers without position; it is not looked at where there are none.
Tensor to_planes(const Tensor& value, const SpatialLayout& layout);
Tensor from_planes(const Tensor& planes, const SpatialLayout& layout, const Tensor& original = {});

/// The numbers without position, [N,n]; empty [N,0] where there are none.
Tensor without_position(const Tensor& value, const SpatialLayout& layout);

struct SpatialLayer {
  LayerInfo layer;
  SpatialLayout layout;
};

class SpatialLayouts {
 public:
  /// `photo`: as PositionTrace takes it.
  SpatialLayouts(const Graph& graph, const std::string& input, const std::vector<std::string>& outputs,
                 const Tensor& photo, int64_t height, int64_t width);

  /// Of a value or a layer; empty where its numbers belong to no positions, or positions have unequal shares.
  std::optional<SpatialLayout> of(const std::string& layer_or_value) const;

  /// Layers that lead from input to output and keep positions, best for a class activation map first (of several
  /// outputs, those that most come from): the last one
  /// through which all positions reach the output, then the others from the last to the first. Inner values of an
  /// attention come after, then those whose positions do not reach the output (behind the last attention of a
  /// network that reads its class token).
  const std::vector<SpatialLayer>& layers() const { return layers_; }

  /// The same of what can be explained by place: several positions, in planes, tokens or windows that lead to the
  /// output. Empty for attention weights, for rows of numbers and for the output itself.
  std::optional<SpatialLayout> place_of(const std::string& layer_or_value) const;

  /// True where a value leads to the output.
  bool leads(const std::string& layer_or_value) const;

  /// Nodes between a layer and the output that are not affine in it ("Relu node 'relu_3'").
  std::vector<std::string> not_affine_behind(const std::string& layer_or_value) const;

 private:
  std::optional<SpatialLayout> layout_of(int id) const;
  void find_reach();
  void rank_layers();
  bool is_output(int id) const;

  const Graph graph_;  ///< shares its contents
  int input_;
  std::vector<int> outputs_;
  PositionTrace trace_;
  PositionTrace::Reach reach_;  ///< of all outputs together
  std::vector<int> led_to_;     ///< by value: the outputs it leads to
  std::vector<SpatialLayer> layers_;
};

/// Of a model's values, on the way to some of them.
class Model;
SpatialLayouts layouts_of(const Model& model, const std::vector<std::string>& outputs);

}  // namespace vitrail
