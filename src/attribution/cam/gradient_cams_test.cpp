#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <vitrail/cam.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t K = 3, H = 4, W = 5;

/// A layer of known value and known gradient: the score is their product.
class LinearLayer : public PooledNet {
 public:
  LinearLayer() : PooledNet({0}) {}
  Tensor activation(const Tensor&, const std::string&) const override { return wave(K, H, W, 0.7).view({1, K, H, W}); }
  Tensor gradient() const { return wave(K, H, W, 1.9).view({1, K, H, W}); }
  Tensor score(const Tensor& x) const override { return score_from(x, "relu", activation(x, "relu")); }
  Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
    return (value * gradient()).flatten(1).sum(1, true);
  }
};

Tensor photo() { return wave(3, 15, 19, 0.37).view({1, 3, 15, 19}); }

/// The weight of a cell's activation, from all activations `a` and gradients `g` of its channel.
using Weight = std::function<double(const std::vector<double>& a, const std::vector<double>& g, size_t cell)>;

double gradcam_pp_weight(const std::vector<double>& a, const std::vector<double>& g, size_t) {
  double sum = 0, alpha = 0;
  for (const double value : a) sum += value;
  for (const double slope : g) {
    const double denominator = 2 * slope * slope + slope * slope * slope * sum;
    alpha += slope * slope / (denominator == 0 ? 1e-4 : denominator) * std::max(slope, 0.0);
  }
  return alpha / static_cast<double>(g.size());
}

double xgradcam_weight(const std::vector<double>& a, const std::vector<double>& g, size_t) {
  double sum = 0, product = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i];
    product += a[i] * g[i];
  }
  return product / sum;
}

void expect_cells(Cam method, const Weight& weight) {
  const LinearLayer net;
  const Explanation result = gradient_cam(method, net, photo(), {.relu = false})[0];
  const Tensor a = net.activation(photo(), "relu")[0], g = net.gradient()[0];
  std::vector<double> expected(H * W, 0.0);
  for (int64_t k = 0; k < K; ++k) {
    std::vector<double> values, slopes;
    for (int64_t i = 0; i < H * W; ++i) {
      values.push_back(a[k][i / W][i % W].item<double>());
      slopes.push_back(g[k][i / W][i % W].item<double>());
    }
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += weight(values, slopes, i) * values[i];
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    EXPECT_NEAR(result.cells[at / W][at % W].item<double>(), expected[i], 1e-4 * (1 + std::abs(expected[i])));
  }
}

TEST(GradientCams, FollowTheirFormulas) {
  expect_cells(Cam::gradcam_pp, gradcam_pp_weight);
  expect_cells(Cam::xgradcam, xgradcam_weight);
  expect_cells(Cam::hirescam, [](const auto&, const auto& g, size_t i) { return g[i]; });
  expect_cells(Cam::layercam, [](const auto&, const auto& g, size_t i) { return std::max(g[i], 0.0); });
  expect_cells(Cam::elementwise_cam, [](const auto& a, const auto& g, size_t i) { return a[i] * g[i] > 0 ? g[i] : 0; });
}

TEST(GradientCams, AddUpToTheScoreLessItsBiasOnPooledNets) {
  const PooledNet net({0, 1, 2, 3});
  for (const Cam method : {Cam::hirescam, Cam::xgradcam}) {
    const auto results = gradient_cam(method, net, photo(), {.relu = false});
    ASSERT_EQ(results.size(), 4u);
    for (size_t t = 0; t < 4; ++t) {
      const double bias = net.head_bias()[static_cast<int64_t>(t)].item<double>();
      EXPECT_NEAR(results[t].cells.sum().item<double>(), results[t].score - bias, 1e-5);
      EXPECT_TRUE(results[t].is_signed);
    }
  }
}

TEST(GradientCams, AreMethodsWithTheOptionsOfGradCam) {
  const PooledNet net({0, 3});
  for (const std::string name : {"gradcam_pp", "hirescam", "elementwise_cam", "layercam", "xgradcam"}) {
    const auto cut = parse_method(name)->explain(net, photo(), {});
    const auto early = parse_method(name + ":layer=conv,relu=false")->explain(net, photo(), {});
    EXPECT_EQ(cut[1].name, name);
    EXPECT_FALSE(cut[1].is_signed);
    EXPECT_GE(cut[1].map.min().item<double>(), 0);
    EXPECT_TRUE(early[1].is_signed);
    EXPECT_EQ(early[1].plan.at("layer"), "conv");
    const auto alone = parse_method(name)->explain(PooledNet({3}), photo(), {});
    EXPECT_TRUE(cut[1].map.equal(alone[0].map));
    EXPECT_THROW(parse_method(name + ":layer=conv7")->explain(net, photo(), {}), UsageError);
  }
}

TEST(GradientCams, HaveFiniteMapsWhereNothingFires) {
  class Silent : public LinearLayer {
   public:
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return LinearLayer::activation(x, layer) * 0;
    }
  } net;
  EXPECT_EQ(gradient_cam(Cam::xgradcam, net, photo())[0].map.abs().max().item<double>(), 0);
  EXPECT_EQ(gradient_cam(Cam::gradcam_pp, net, photo())[0].map.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace vitrail
