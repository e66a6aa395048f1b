#include "plan/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardsigmoid.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/hardtanh_backward.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

namespace vitrail::onednn {

void apply(const Activation& activation, Tensor& x) {
  const std::string& name = activation.name;
  if (name == "relu") x.relu_();
  if (name == "sigmoid") x.sigmoid_();
  if (name == "tanh") x.tanh_();
  if (name == "swish") at::silu_(x);
  if (name == "hardswish") at::hardswish_(x);
  if (name == "hardsigmoid") at::hardsigmoid_(x);
  if (name == "gelu") at::gelu_(x, *activation.algorithm);
  if (name == "leaky_relu") at::leaky_relu_(x, activation.numbers[0]);
  if (name == "hardtanh") at::hardtanh_(x, activation.numbers[0], activation.numbers[1]);
}

bool derives_from_value(const Activation& activation) {
  const std::string& name = activation.name;
  return name == "none" || name == "relu" || name == "hardtanh" || name == "sigmoid" || name == "tanh" ||
         (name == "leaky_relu" && activation.numbers[0] > 0);
}

Tensor pass_back(const Activation& activation, const Tensor& gradient, const Tensor& y) {
  const std::string& name = activation.name;
  if (name == "relu") return at::threshold_backward(gradient, y, 0);
  if (name == "hardtanh") return at::hardtanh_backward(gradient, y, activation.numbers[0], activation.numbers[1]);
  if (name == "sigmoid") return at::sigmoid_backward(gradient, y);
  if (name == "tanh") return at::tanh_backward(gradient, y);
  if (name == "leaky_relu") return at::leaky_relu_backward(gradient, y, activation.numbers[0], /*self_is_result=*/true);
  return gradient;
}

}  // namespace vitrail::onednn
