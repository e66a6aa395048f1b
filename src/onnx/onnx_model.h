#pragma once

// An ONNX file in memory, free of protobuf: what the reader hands to the graph.

#include <vitrail/tensor.h>

#include <map>
#include <string>
#include <vector>

#include "ops/attributes.h"

namespace vitrail {

/// The standard domain has two spellings; it is "" everywhere behind the reader.
inline std::string domain_of(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

/// A dimension as the file states it: a number, a symbol ("batch"), or nothing.
struct OnnxDim {
  int64_t value = -1;  ///< -1 where the file does not give a number
  std::string symbol;
};

/// A graph input or output.
struct OnnxValue {
  std::string name;
  at::ScalarType type = at::kFloat;
  bool has_shape = false;
  std::vector<OnnxDim> shape;
};

struct OnnxModel {
  std::string path;
  std::string sha256;  ///< of the ONNX file itself
  int64_t ir_version = 0;
  std::string producer;
  std::map<std::string, int64_t> opsets;  ///< domain ("" = standard) -> version
  std::vector<NodeSpec> nodes;            ///< topologically ordered; Constant nodes are initializers already
  std::map<std::string, Tensor> initializers;
  std::vector<OnnxValue> inputs;  ///< without those that are initializers
  std::vector<OnnxValue> outputs;
  std::map<std::string, std::string> metadata;
};

}  // namespace vitrail
