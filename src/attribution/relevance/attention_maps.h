#pragma once

// The attention layers of a graph: their probabilities, their gradients, and where their tokens lie in the photo.

#include <optional>
#include <string>
#include <vector>

#include "attribution/relevance/walk.h"

namespace vitrail {

/// Patches as tokens: `extra` tokens (class, registers) in front of a grid, row by row.
struct TokenGrid {
  int64_t height = 0, width = 0, extra = 0;
  int64_t tokens() const { return extra + height * width; }
};

/// The grid of a sequence of so many tokens: that of the first convolution whose positions they can be; nothing where
/// there is none.
std::optional<TokenGrid> find_token_grid(const RelevanceGraph& graph, int64_t tokens);

struct AttentionLayer {
  const RelevanceGraph::Node* node;
  Tensor probabilities;  ///< [heads, queries, keys]
  Tensor values;         ///< of an Attention node, [heads, keys, size]; else undefined
};

/// The attention of one sample over all its patches, first layer first.
struct Attention {
  TokenGrid grid;
  std::vector<AttentionLayer> layers;
  std::vector<std::string> left_out;  ///< attention nodes whose tokens are not these
};

/// `values`: of a forward pass of one sample. UsageError, with `method` in front, where there is no such layer.
Attention find_attention(const RelevanceGraph& graph, const Tensors& values, const std::string& method);

struct AttentionGradients {
  Tensors gradients;  ///< d score / d probabilities, one a layer
  Tensor read;        ///< [tokens] share of each token among those the score reads behind the last layer
};

/// `seed`: the gradient at the output value.
AttentionGradients attention_gradients(const RelevanceGraph& graph, const Tensors& values, const Attention& attention,
                                       const Tensor& seed);

}  // namespace vitrail
