#pragma once

// Networks of which everything is known, as models.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <vitrail/model.h>

#include "support/onnx_builder.h"

namespace vitrail {

/// logits [N,K] = weight [K, 3 side side] x + bias [K]; x [N,3,side,side] are pixel values.
inline Model linear_model(const Tensor& weight, const Tensor& bias, int64_t side) {
  testing::OnnxBuilder net;
  net.input("x", {-1, 3, side, side})
      .initializer("head.weight", weight)
      .initializer("head.bias", bias)
      .node("Flatten", {"x"}, {"flat"})
      .node("Gemm", {"flat", "head.weight", "head.bias"}, {"y"})
      .attribute("transB", int64_t{1})
      .output("y");
  return Model::load(net.save(), {.preprocess = "raw"});
}

}  // namespace vitrail
