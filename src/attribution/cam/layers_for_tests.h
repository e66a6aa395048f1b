#pragma once

// Networks whose late layer and what follows it are known in closed form.

#include <ATen/ops/tanh.h>

#include "attribution/nets_for_tests.h"

namespace vitrail {

/// The layer is a function of the input's mean brightness and place; behind it a score that the test says.
class KnownLayer : public PooledNet {
 public:
  static constexpr int64_t K = 3, H = 4, W = 5;
  KnownLayer() : PooledNet({0}) {}

  std::vector<LayerInfo> spatial_layers() const override {
    return {{.name = "relu", .value = "r", .shape = {}, .op = "Relu", .channels = K, .height = H, .width = W}};
  }
  Tensor activation(const Tensor& x, const std::string&) const override {
    return wave(K, H, W, 0.7).view({1, K, H, W}) * x.mean({1, 2, 3}, true).add(1) + x.mean({1, 2, 3}, true);
  }
  Tensor score(const Tensor& x) const override { return score_from(x, "relu", activation(x, "relu")); }
  Tensor differentiable_score(const Tensor& x) const override { return score(x); }
};

/// g(A) = w . A, so that the gradient is w.
class LinearLayer : public KnownLayer {
 public:
  Tensor gradient() const { return wave(K, H, W, 1.9).view({1, K, H, W}); }
  Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
    return (value * gradient()).flatten(1).sum(1, true);
  }
};

/// g(A) = tanh(u . A) + (v . A)^2 / 2: smooth, with curvature everywhere.
class CurvedLayer : public KnownLayer {
 public:
  Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
    const Tensor u = wave(K, H, W, 1.1) * 0.2, v = wave(K, H, W, 2.3) * 0.3;
    const Tensor b = (value * v).flatten(1).sum(1, true);
    return (value * u).flatten(1).sum(1, true).tanh() + b * b / 2;
  }
};

inline Tensor photo() { return wave(3, 15, 19, 0.37).view({1, 3, 15, 19}); }

}  // namespace vitrail
