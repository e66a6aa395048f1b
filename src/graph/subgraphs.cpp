#include "graph/subgraphs.h"

#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {

const GraphBody& subgraph_of(const NodeSpec& node, const std::string& attribute) {
  const auto it = node.attributes.all().find(attribute);
  const auto* subgraph = it == node.attributes.all().end() ? nullptr : std::get_if<Subgraph>(&it->second);
  if (!subgraph || !subgraph->body) throw ModelError(node_title(node) + " has no " + attribute + ".");
  return *subgraph->body;
}

std::string renamed(const std::string& name, const Renaming& names) {
  const auto it = names.find(name);
  return it == names.end() ? name : it->second;
}

void rename_uses(NodeSpec& node, const Renaming& names) {
  for (std::string& input : node.inputs) input = renamed(input, names);
  for (std::string& capture : node.captures) capture = renamed(capture, names);
  change_bodies(node, [&](GraphBody& body) {
    Renaming outside = names;
    for (const std::string& input : body.inputs) outside.erase(input);
    for (const auto& [name, tensor] : body.initializers) outside.erase(name);
    for (const NodeSpec& inner : body.nodes)
      for (const std::string& output : inner.outputs) outside.erase(output);
    for (NodeSpec& inner : body.nodes) rename_uses(inner, outside);
    for (std::string& output : body.outputs) output = renamed(output, outside);
  });
}

}  // namespace vitrail
