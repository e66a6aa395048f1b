#pragma once

// Merging what scales and shifts a layer's outputs into its weights and bias; see relevance_graph.h.

#include <vector>

#include "attribution/relevance/relevance_graph.h"

namespace vitrail {

/// `nodes` in order of computation; the values `kept` stay.
std::vector<RelevanceGraph::Node> merge_scales_and_shifts(const Graph::Impl& graph,
                                                          std::vector<RelevanceGraph::Node> nodes,
                                                          const std::vector<int>& kept);

}  // namespace vitrail
