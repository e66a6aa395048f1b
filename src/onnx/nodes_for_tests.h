#pragma once

// For tests: runs the nodes of a file one after the other, without a graph.

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <unordered_map>

#include "onnx/reader.h"
#include "ops/registry.h"
#include "vitrail/error.h"

namespace vitrail::testing {

inline OnnxModel read_bytes(const std::string& bytes, const ReadLimits& limits = {}) {
  return read_onnx(std::as_bytes(std::span(bytes)), "net.onnx", limits);
}

/// The outputs of the model; `inputs` in the model's order.
inline Tensors run_nodes(const OnnxModel& model, const Tensors& inputs) {
  std::unordered_map<std::string, Tensor> values(model.initializers.begin(), model.initializers.end());
  for (size_t i = 0; i < inputs.size(); ++i) values[model.inputs.at(i).name] = inputs[i];
  for (const NodeSpec& node : model.nodes) {
    OperatorSpec spec{node, {}};
    Tensors in;
    for (const std::string& name : node.inputs) {
      auto constant = model.initializers.find(name);
      spec.constants.push_back(constant == model.initializers.end() ? Tensor() : constant->second);
      in.push_back(name.empty() ? Tensor() : values.at(name));
    }
    const Tensors out = OperatorRegistry::all().make(spec)->forward(in, RunContext{});
    for (size_t i = 0; i < node.outputs.size() && i < out.size(); ++i) values[node.outputs[i]] = out[i];
  }
  Tensors outputs;
  for (const OnnxValue& output : model.outputs) outputs.push_back(values.at(output.name));
  return outputs;
}

/// What a ModelError says; empty where none is thrown.
template <typename Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const ModelError& e) {
    return e.what();
  }
  return {};
}

}  // namespace vitrail::testing
