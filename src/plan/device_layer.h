#pragma once

// Layers on a CUDA device, by cuDNN and cuBLAS through ATen's operators.

#include <memory>

#include "plan/step.h"

namespace vitrail {

/// The weights are where the layer's are, in this precision from then on.
std::unique_ptr<Step> make_device_layer(const Layer& layer, at::ScalarType precision);

}  // namespace vitrail
