#pragma once

// Lifts the nodes of any opset (9 to the newest of the pinned onnx package) to the newest schema,
// so that operators see one version only. An adapter may rename an operator, turn attributes into
// inputs (as new initializers), or replace one node by several.

#include "onnx/onnx_model.h"

namespace vitrail {

/// Rewrites `model.nodes` in place; `model.opsets` keeps what the file said. Throws ModelError for
/// an opset below 9 or newer than this build knows.
void lift_opsets(OnnxModel& model);

inline constexpr int64_t oldest_opset = 9;
inline constexpr int64_t newest_opset = 27;

}  // namespace vitrail
