#pragma once

// The graph while it is being loaded: nodes and constants by name, still open to change. Folding,
// batch generalisation and rewrites each turn a Draft into a better one; `compile` then freezes it.

#include <c10/core/Device.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "onnx/onnx_model.h"
#include "ops/operator.h"
#include "vitrail/graph.h"

namespace vitrail {

/// What tracing found out about a value.
struct TracedValue {
  at::ScalarType type = at::kFloat;
  Shape shape;
  bool depends_on_input = false;  ///< through data, not only through shapes
};

struct DraftNode {
  NodeSpec spec;
  std::shared_ptr<const Operator> op;
};

struct Draft {
  std::vector<DraftNode> nodes;  ///< in topological order
  std::map<std::string, Tensor> constants;
  std::vector<OnnxValue> inputs, outputs;
  std::unordered_map<std::string, TracedValue> traced;
  std::unordered_map<std::string, std::string> aliases;  ///< "logits" -> value name; also values that rewrites renamed
  BatchSupport batch;
  int64_t base_batch = 1;    ///< the batch that the file was exported with
  bool generalised = false;  ///< a constant shape of the file was made to follow the batch
  int64_t folded_nodes = 0;
  std::vector<std::string> notes;
  at::ScalarType float_type = at::kFloat;
  c10::Device device = c10::Device(c10::kCPU);

  const Tensor* constant(const std::string& name) const {
    auto it = constants.find(name);
    return it == constants.end() ? nullptr : &it->second;
  }
};

/// If and Loop: no operators, but graphs within the graph. Tracing puts in their place the branch that is taken, and
/// the body as often as it runs.
bool is_control_flow(const NodeSpec& node);

/// Makes the operator of a node with what is constant among its inputs.
std::shared_ptr<const Operator> make_draft_operator(const NodeSpec& spec, const Draft& draft);

/// Runs every node on small batches of random inputs: learns types and shapes, folds what is constant,
/// and makes files exported with a fixed batch run at any batch. See trace.cpp for the algorithm.
void trace(Draft& draft, const LoadOptions& options);

/// Recognises layer patterns (LayerNorm, GELU, SiLU, GroupNorm, attention) and names logits and probabilities.
void canonicalise(Draft& draft);

/// Drops nodes and constants that no output needs.
void remove_dead(Draft& draft);

}  // namespace vitrail
