#pragma once

// Tensors are libtorch's, by value (a reference-counted handle). Unless a comment says otherwise
// images and inputs are [N,C,H,W] float32, maps are [H,W] float32.

#include <ATen/core/Tensor.h>

#include <vector>

namespace vitrail {

using at::Tensor;
using Tensors = std::vector<at::Tensor>;

}  // namespace vitrail
