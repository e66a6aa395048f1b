#pragma once

// A network whose class activation maps are known: convolution, ReLU, mean over positions, linear head.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/matmul.h>
#include <vitrail/error.h>
#include <vitrail/graph.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

#include "attribution/perturbation/scorers_for_tests.h"
#include "ops/backward_rules.h"

namespace vitrail {

class PooledNet : public Probe {
 public:
  static constexpr int64_t channels = 3, kernels = 5, classes = 4;
  explicit PooledNet(std::vector<int64_t> indices) {
    for (const int64_t index : indices) targets_.push_back({.string = std::to_string(index), .index = index});
  }

  Tensor score(const Tensor& x) const override { return head(hidden(x)); }
  Tensor differentiable_score(const Tensor& x) const override { return score(x); }
  Tensor score_with_rule(const Tensor& x, BackwardRule rule) const override {
    const Tensor before = convolved(x);
    return head(with_backward_rule(before, before.relu(), before.gt(0), rule));
  }
  std::vector<Target> targets() const override { return targets_; }

  std::vector<LayerInfo> spatial_layers() const override {
    return {{.name = "relu", .value = "r", .shape = {}, .op = "Relu"},
            {.name = "conv", .value = "c", .shape = {}, .op = "Conv"}};
  }
  Tensor activation(const Tensor& x, const std::string& layer) const override {
    return is_relu(layer) ? hidden(x) : convolved(x);
  }
  Tensor score_from(const Tensor&, const std::string& layer, const Tensor& value) const override {
    return head(is_relu(layer) ? value : value.relu());
  }

  std::vector<BiasTerm> bias_terms(const Tensor& x) const override {
    const at::AutoGradMode recording(true);
    const Tensor before = convolved(x), positions = before.gt(0).to(x.scalar_type());  // [1,K,h,w]
    Tensors input, convolution, linear;
    for (const Target& target : targets_) {
      const Tensor slope = head_weights()[target.index].view({1, kernels, 1, 1}) * positions /
                           static_cast<double>(positions.size(2) * positions.size(3));
      const Tensor leaf = x.detach().requires_grad_(true);
      input.push_back(gradient({convolved(leaf)}, {leaf}, {slope})[0][0] * x[0]);
      convolution.push_back(slope[0] * convolution_bias().view({kernels, 1, 1}));
      linear.push_back(head_bias()[target.index].view({1, 1, 1}));
    }
    return {{"x", "input", at::stack(input), true},
            {"conv", "Conv", at::stack(convolution), true},
            {"head", "Gemm", at::stack(linear), false}};
  }

  Tensor hidden(const Tensor& x) const { return convolved(x).relu(); }
  Tensor head_weights() const { return wave(1, classes, kernels, 1.3)[0]; }  // [classes,kernels]
  Tensor head_bias() const { return wave(1, 1, classes, 0.9)[0][0]; }

 private:
  static bool is_relu(const std::string& layer) {
    if (layer != "relu" && layer != "conv") throw UsageError("no layer " + layer);
    return layer == "relu";
  }
  static Tensor convolution_bias() { return wave(1, 1, kernels, 1.7)[0][0]; }
  Tensor convolved(const Tensor& x) const {
    return at::conv2d(x, wave(kernels * channels, 3, 3, 0.9).view({kernels, channels, 3, 3}), convolution_bias(), 2);
  }
  Tensor head(const Tensor& activation) const {
    const Tensor logits = at::matmul(activation.mean({2, 3}), head_weights().t()) + head_bias();
    Tensors columns;
    for (const Target& target : targets_) columns.push_back(logits.select(1, target.index));
    return at::stack(columns, 1);
  }

  std::vector<Target> targets_;
};

}  // namespace vitrail
