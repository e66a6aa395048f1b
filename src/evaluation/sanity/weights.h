#pragma once

// The layers of a graph that hold weights, and other weights for them.

#include <vitrail/graph.h>
#include <vitrail/sanity_checks.h>

#include <map>
#include <string>
#include <vector>

namespace vitrail {

struct WeightedLayer {
  std::string node, op;
  std::string weight, bias;  ///< names of constants; no bias: empty
  int64_t fan_in = 0;        ///< values that one output is a sum of
};

/// Convolutions and linear layers with constant weights, in order of computation.
std::vector<WeightedLayer> weighted_layers(const Graph& graph);

/// Other values for the constants of a layer; of one seed, those of different layers are independent.
std::map<std::string, Tensor> draw_weights(const Graph& graph, const WeightedLayer& layer, WeightSource source,
                                           uint64_t seed, uint64_t number);

}  // namespace vitrail
