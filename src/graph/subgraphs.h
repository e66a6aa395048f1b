#pragma once

// The graphs within If and Loop nodes, and their names. A subgraph sees the names of the graphs around it; its own hide
// those, and mean nothing outside.

#include <string>
#include <unordered_map>

#include "ops/attributes.h"

namespace vitrail {

/// The subgraph of a node by its attribute. Throws ModelError where there is none.
const GraphBody& subgraph_of(const NodeSpec& node, const std::string& attribute);

using Renaming = std::unordered_map<std::string, std::string>;

/// The new name, or the old one where it keeps it.
std::string renamed(const std::string& name, const Renaming& names);

/// New names for values of the graph around a node: in its inputs, and in its subgraphs as far as these do not define
/// the name themselves.
void rename_uses(NodeSpec& node, const Renaming& names);

}  // namespace vitrail
