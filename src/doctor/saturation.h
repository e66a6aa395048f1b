#pragma once

#include <vitrail/doctor.h>

namespace vitrail {

/// Of every activation of the graph with a flat end, on samples in the model's own layout.
std::vector<Saturation> find_saturation(const Graph& graph, const std::string& input, const Tensor& samples);

}  // namespace vitrail
