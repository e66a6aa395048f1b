#pragma once

// The attributes of an ONNX node, and the node itself as the reader hands it over. Free of protobuf
// so that operators can be made by hand, in tests and rewrites.

#include <vitrail/tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vitrail {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Strings = std::vector<std::string>;

struct GraphBody;

/// A branch of an If or the body of a Loop.
struct Subgraph {
  std::string name;
  std::shared_ptr<const GraphBody> body;
};

using AttributeValue = std::variant<int64_t, double, std::string, Ints, Floats, Strings, Tensor, Subgraph>;

class Attributes {
 public:
  void set(const std::string& name, AttributeValue value) { values_[name] = std::move(value); }
  void erase(const std::string& name) { values_.erase(name); }
  bool has(const std::string& name) const { return values_.count(name) > 0; }
  const std::map<std::string, AttributeValue>& all() const { return values_; }

  // Each throws ModelError, with the attribute's name, when it has another type.
  int64_t get_int(const std::string& name, int64_t otherwise) const;
  double get_float(const std::string& name, double otherwise) const;
  std::string get_string(const std::string& name, const std::string& otherwise) const;
  Ints get_ints(const std::string& name, const Ints& otherwise = {}) const;
  Floats get_floats(const std::string& name, const Floats& otherwise = {}) const;
  std::optional<int64_t> find_int(const std::string& name) const;
  std::optional<Tensor> get_tensor(const std::string& name) const;

  // The required ones throw ModelError when the attribute is missing.
  int64_t require_int(const std::string& name) const;
  Ints require_ints(const std::string& name) const;
  std::string require_string(const std::string& name) const;

 private:
  std::map<std::string, AttributeValue> values_;
};

/// A node as a file states it.
struct NodeSpec {
  std::string op_type;
  std::string domain;  ///< "" is the standard one ("ai.onnx" is spelled "")
  std::string name;    ///< the node's own name; may be empty
  std::string scope;   ///< dotted module path from the exporter, e.g. "layer1.0.conv1"; may be empty
  Strings inputs;      ///< value names; "" where an optional input is absent
  Strings outputs;     ///< value names; "" where an optional output is not wanted
  Strings captures;    ///< values of the graph around it that its subgraphs use
  Attributes attributes;
  int64_t opset = 0;  ///< of its domain in the file
};

/// Nodes in an order in which they can run. Names that nothing in the body defines are those of the graph around it.
struct GraphBody {
  Strings inputs, outputs;
  std::vector<NodeSpec> nodes;
  std::map<std::string, Tensor> initializers;
};

/// Replaces each subgraph of a node by a copy that `change` has changed.
void change_bodies(NodeSpec& node, const std::function<void(GraphBody&)>& change);

}  // namespace vitrail
