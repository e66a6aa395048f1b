#pragma once

#include <onnx-ml.pb.h>

namespace vitrail {

/// Replaces every node that calls a function of the model by the function's nodes, to any depth, in subgraphs too,
/// under names that begin with the caller's. Throws ModelError where functions call themselves, import another
/// standard opset than the model, or would make more than `max_nodes` nodes.
void inline_functions(onnx::ModelProto& model, int64_t max_nodes);

}  // namespace vitrail
