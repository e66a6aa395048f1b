#pragma once

#include <vitrail/doctor.h>

#include "doctor/onnx_runtime.h"

namespace vitrail {

/// Compares what the graph (as in the file, without rewrites) computes from the sample with the other runtime's answer.
Agreement judge(const Graph& graph, const std::string& input, const Tensor& sample, const OnnxRuntimeAnswer& answer);

}  // namespace vitrail
