#pragma once

// Where the positions of a photo are in a value of the graph. Convolution nets keep them in the last two
// dimensions, [N,C,h,w]; transformers keep them as tokens, [N,T,C], one a patch of the grid that a
// convolution cut, with class or register tokens in front.

#include <optional>
#include <vector>

#include "vitrail/graph.h"

namespace vitrail {

struct SpatialLayout {
  bool tokens = false;
  int64_t height = 0, width = 0;  ///< of the grid
  int64_t extra_tokens = 0;       ///< in front of the patches
};

struct SpatialLayer {
  LayerInfo layer;
  SpatialLayout layout;
};

/// Layers between two values that keep positions, best for a class activation map first: the last one from
/// which every position still reaches the output.
std::vector<SpatialLayer> find_spatial_layers(const Graph& graph, const std::string& input, const std::string& output);

/// The same for several outputs: layers that most of them come from first.
std::vector<SpatialLayer> find_spatial_layers(const Graph& graph, const std::string& input,
                                              const std::vector<std::string>& outputs);

/// [N,C,h,w] from the value of a layer, and back; `original` supplies the extra tokens.
Tensor to_planes(const Tensor& value, const SpatialLayout& layout);
Tensor from_planes(const Tensor& planes, const SpatialLayout& layout, const Tensor& original);

}  // namespace vitrail
