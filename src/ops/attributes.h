#pragma once

// The attributes of an ONNX node, and the node itself as the reader hands it over. Free of protobuf
// so that operators can be made by hand, in tests and rewrites.

#include <vitrail/tensor.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vitrail {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Strings = std::vector<std::string>;

/// A subgraph attribute (If, Loop) is only named: the reader keeps its text for error messages.
struct Subgraph {
  std::string name;
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
  Attributes attributes;
  int64_t opset = 0;  ///< of the file, for messages
};

}  // namespace vitrail
