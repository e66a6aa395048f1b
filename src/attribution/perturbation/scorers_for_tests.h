#pragma once

// Scores whose explanations are known, and one that is none of these.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <vitrail/scorer.h>

#include <string>

namespace vitrail {

/// Float32 [C,H,W], different everywhere, of both signs.
inline Tensor wave(int64_t channels, int64_t height, int64_t width, double frequency) {
  return at::arange(channels * height * width, at::kDouble)
      .mul(frequency)
      .sin()
      .to(at::kFloat)
      .view({channels, height, width});
}

/// g(x) = w . x + bias.
inline CallableScorer linear_scorer(const Tensor& weights, double bias = 0) {
  return CallableScorer([=](const Tensor& x) { return (x * weights).flatten(1).sum(1, true) + bias; });
}

inline Target target(int64_t index) {
  Target target;
  target.string = std::to_string(index);
  target.index = index;
  return target;
}

/// Two targets with interactions between all pixels of [C,H,W] inputs.
inline CallableScorer curved_scorer(int64_t channels, int64_t height, int64_t width) {
  const Tensor u = wave(channels, height, width, 0.7), v = wave(channels, height, width, 1.9);
  return CallableScorer(
      [=](const Tensor& x) {
        const Tensor a = (x * u).flatten(1).sum(1), b = (x * v).flatten(1).sum(1);
        return at::stack({a.tanh() * b + a, (b * 0.5).sin() + a * a * 0.1}, 1);
      },
      {target(0), target(1)});
}

/// Always the same score, whatever the input.
inline CallableScorer constant_scorer(double value) {
  return CallableScorer([=](const Tensor& x) { return x.flatten(1).sum(1, true).mul(0).add(value); });
}

}  // namespace vitrail
