#pragma once

// Scorers and maps whose metrics are known by hand.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <vitrail/metric.h>

namespace vitrail {

/// g(x) = offset + sum of weight x over all channels and pixels.
class LinearScorer : public DifferentiableScorer {
 public:
  explicit LinearScorer(Tensor weight, double offset = 0) : weight_(std::move(weight)), offset_(offset) {}
  Tensor score(const Tensor& x) const override { return differentiable_score(x); }
  Tensor differentiable_score(const Tensor& x) const override {
    return (x * weight_).flatten(1).sum(1, true) + offset_;
  }
  std::vector<Target> targets() const override { return {Target{}}; }
  const Tensor& weight() const { return weight_; }

 private:
  Tensor weight_;  ///< [C,H,W]
  double offset_;
};

}  // namespace vitrail
