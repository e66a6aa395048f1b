#pragma once

// The fused oneDNN operators that libtorch registers in its dispatcher but declares in no header: looked up by name
// when first used. All take and give plain float32 or bfloat16 tensors; packed weights are opaque. To be called without
// gradients.

#include <vitrail/tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ops/attributes.h"

namespace vitrail::onednn {

/// True where this libtorch has the operators.
bool available();

/// True where the processor multiplies bfloat16 numbers itself.
bool has_bf16();

/// What is applied to every element of a result: "none", "relu", "swish", "hardtanh" {min, max}, "gelu" ("none" or
/// "tanh"), "leaky_relu" {slope}, "sigmoid", "tanh", "hardswish", "hardsigmoid".
struct Activation {
  std::string name = "none";
  std::vector<double> numbers = {};
  std::optional<std::string> algorithm = {};
};

/// One number an axis (height, width) in each list. libtorch's operators take one padding for both ends.
struct Window {
  Ints padding, end_padding, stride, dilation;
  int64_t groups = 1;
};

/// [M,C/groups,kh,kw] in the order that the kernel for inputs of this size [N,C,H,W] wants.
Tensor pack_convolution(const Tensor& weight, const Window& window, const Ints& input_size);
/// [M,K] for inputs of `rows` rows.
Tensor pack_linear(const Tensor& weight, int64_t rows);

/// activation(x * weight + bias), channels-last; bias undefined where there is none.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window,
                   const Activation& activation);
/// relu or none of (x * weight + bias + other).
Tensor convolution_add(const Tensor& x, const Tensor& other, const Tensor& weight, const Tensor& bias,
                       const Window& window, bool relu);
/// The same, written over `other`.
void convolution_add_(const Tensor& other, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Window& window, bool relu);

/// activation(x weight^T + bias), x [...,K] contiguous.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Activation& activation);

}  // namespace vitrail::onednn
