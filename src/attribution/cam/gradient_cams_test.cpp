#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <gmock/gmock.h>
#include <vitrail/cam.h>
#include <vitrail/error.h>
#include <vitrail/graph.h>
#include <vitrail/method.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "attribution/cam/layers_for_tests.h"
#include "attribution/maps.h"

namespace vitrail {
namespace {

using testing::HasSubstr;

Explanation explain(const std::string& method, const Probe& probe, const Tensor& input = photo()) {
  return parse_method(method)->explain(probe, input, {})[0];
}

std::string refusal(const std::string& method, const Probe& probe) {
  try {
    explain(method, probe);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

/// The weight of a cell's activation, from all activations `a` and gradients `g` of its channel.
using Weight = std::function<double(const std::vector<double>& a, const std::vector<double>& g, size_t cell)>;

Weight gradcam_pp_weight(bool mean) {
  return [mean](const std::vector<double>& a, const std::vector<double>& g, size_t) {
    double channel = 0, alpha = 0;
    for (const double value : a) channel += value / (mean ? static_cast<double>(a.size()) : 1);
    for (const double slope : g) {
      const double denominator = 2 * slope * slope + slope * slope * slope * channel;
      alpha += slope * slope / (denominator == 0 ? 1e-4 : denominator) * std::max(slope, 0.0);
    }
    return alpha / static_cast<double>(g.size());
  };
}

double xgradcam_weight(const std::vector<double>& a, const std::vector<double>& g, size_t) {
  double sum = 0, product = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i];
    product += a[i] * g[i];
  }
  return product / sum;
}

void expect_cells(const std::string& method, const Weight& weight) {
  SCOPED_TRACE(method);
  constexpr int64_t W = LinearLayer::W;
  const LinearLayer net;
  const Explanation result = explain(method, net);
  const Tensor a = net.activation(photo(), "relu")[0], g = net.gradient()[0];
  std::vector<double> expected(LinearLayer::H * W, 0.0);
  for (int64_t k = 0; k < LinearLayer::K; ++k) {
    std::vector<double> values, slopes;
    for (int64_t i = 0; i < std::ssize(expected); ++i) {
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
  expect_cells("gradcam_pp:relu=false", gradcam_pp_weight(false));
  expect_cells("gradcam_pp:relu=false,activation=mean", gradcam_pp_weight(true));
  expect_cells("smooth_gradcam_pp:relu=false,noise=0,samples=3", gradcam_pp_weight(false));
  expect_cells("xgradcam:relu=false", xgradcam_weight);
  expect_cells("hirescam:relu=false", [](const auto&, const auto& g, size_t i) { return g[i]; });
  expect_cells("layercam:relu=false", [](const auto&, const auto& g, size_t i) { return std::max(g[i], 0.0); });
  expect_cells("elementwise_cam:relu=false",
               [](const auto& a, const auto& g, size_t i) { return a[i] * g[i] > 0 ? g[i] : 0; });
}

TEST(GradientCams, AddUpToTheScoreLessItsBiasOnPooledNets) {
  const PooledNet net({0, 1, 2, 3});
  for (const Cam method : {Cam::hirescam, Cam::xgradcam, Cam::shapley_cam}) {
    const auto results = gradient_cam(method, net, photo(), {.relu = false});
    ASSERT_EQ(results.size(), 4u);
    for (size_t t = 0; t < 4; ++t) {
      const double bias = net.head_bias()[static_cast<int64_t>(t)].item<double>();
      EXPECT_NEAR(results[t].cells.sum().item<double>(), results[t].score - bias, 1e-5);
      EXPECT_TRUE(results[t].is_signed);
    }
  }
}

TEST(GradientCams, HaveFiniteMapsWhereNothingFires) {
  class Silent : public LinearLayer {
   public:
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return LinearLayer::activation(x, layer) * 0;
    }
  } net;
  for (const char* method : {"xgradcam", "gradcam_pp", "smooth_gradcam_pp", "eigen_gradcam", "shapley_cam"})
    EXPECT_EQ(explain(method, net).map.abs().max().item<double>(), 0) << method;
}

TEST(ClassActivationMap, HasTheHeadsOwnWeights) {
  const PooledNet net({0, 3});
  const auto results = gradient_cam(Cam::cam, net, photo(), {.relu = false});
  const Tensor hidden = net.hidden(photo())[0];
  for (size_t t = 0; t < 2; ++t) {
    const Tensor weights = net.head_weights()[t == 0 ? 0 : 3].view({-1, 1, 1});
    EXPECT_TRUE(results[t].cells.allclose((weights * hidden).sum(0), 1e-4, 1e-5));
    const auto gradcam_times_positions =
        gradcam(net, photo(), {.relu = false})[t].cells * static_cast<double>(hidden[0].numel());
    EXPECT_TRUE(results[t].cells.allclose(gradcam_times_positions, 1e-4, 1e-5));
  }
}

TEST(ClassActivationMap, RefusesOtherHeads) {
  EXPECT_THAT(refusal("cam:layer=conv", PooledNet({0})), HasSubstr("gradcam"));  // a ReLU follows
  EXPECT_THAT(refusal("cam", LinearLayer()), HasSubstr("different weights"));    // linear, but no pooling
  EXPECT_THAT(refusal("cam", CurvedLayer()), HasSubstr("not linear"));
  class Named : public PooledNet {
   public:
    Named() : PooledNet({0}) {}
    std::vector<std::string> not_affine_behind(const std::string&) const override { return {"Gelu node 'g'"}; }
  } named;
  EXPECT_THAT(refusal("cam", named), HasSubstr("Gelu node 'g'"));
}

TEST(ShapleyCam, CorrectsGradientsByTheirChangeAlongTheActivation) {
  const CurvedLayer net;
  const Tensor a = net.activation(photo(), "relu");
  const auto slope_at = [&](double share) {
    const Tensor leaf = (a * share).to(at::kDouble).requires_grad_(true);
    return gradient({net.score_from(photo(), "relu", leaf).sum()}, {leaf})[0];
  };
  const double step = 1e-4;
  const Tensor product = (slope_at(1 + step) - slope_at(1 - step)) / (2 * step);
  EXPECT_GT(product.abs().max().item<double>(), 0.01);
  const Tensor alpha = (slope_at(1) - product / 2)[0].mean({1, 2}, true);
  const Tensor expected = (alpha * a[0]).sum(0).to(at::kFloat);
  EXPECT_TRUE(explain("shapley_cam:relu=false", net).cells.allclose(expected, 1e-3, 1e-5));
  const Tensor uncorrected = explain("gradcam:relu=false", net).cells;
  EXPECT_GT((uncorrected - expected).abs().max().item<double>(), 0.02 * expected.abs().max().item<double>());
}

/// Projection of [K,h,w] on its first right singular vector, by the decomposition itself.
Tensor by_svd(const Tensor& terms) {
  const Tensor x = terms.flatten(1).t().to(at::kDouble);
  const auto [u, s, vh] = at::linalg_svd(x, /*full_matrices=*/false);
  const Tensor projection = at::matmul(x, vh[0]);
  const bool along = (projection * x.sum(1)).sum().item<double>() >= 0;
  return (along ? projection : -projection).view({terms.size(1), terms.size(2)}).to(at::kFloat);
}

TEST(PrincipalComponents, AreThoseOfTheTerms) {
  const LinearLayer net;
  const Tensor a = net.activation(photo(), "relu")[0], g = net.gradient()[0];
  EXPECT_TRUE(explain("eigen_cam:relu=false", net).cells.allclose(by_svd(a), 1e-3, 1e-4));
  EXPECT_TRUE(explain("eigen_gradcam:relu=false", net).cells.allclose(by_svd(g * a), 1e-3, 1e-4));
  const Tensor weighted = g.mean({1, 2}, true) * a;
  EXPECT_TRUE(explain("gradcam:relu=false,principal=true", net).cells.allclose(by_svd(weighted), 1e-3, 1e-4));
  class Deep : public LinearLayer {  // more channels than positions
   public:
    Tensor activation(const Tensor&, const std::string&) const override { return wave(9, 2, 2, 0.7).unsqueeze(0); }
    Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
      return value.flatten(1).sum(1, true);
    }
  } deep;
  EXPECT_TRUE(explain("eigen_cam:relu=false", deep).cells.allclose(by_svd(wave(9, 2, 2, 0.7)), 1e-3, 1e-4));
}

TEST(CamOptions, AugmentIsTheMeanOverSixViews) {
  const PooledNet net({0});
  Tensor sum;
  for (const bool mirrored : {false, true})
    for (const double brightness : {0.9, 1.0, 1.1}) {
      const Tensor seen = (mirrored ? photo().flip(3) : photo()) * brightness;
      const Tensor cells = explain("gradcam:relu=false", net, seen).cells;
      const Tensor back = mirrored ? cells.flip(1) : cells;
      sum = sum.defined() ? sum + back : back;
    }
  const Explanation result = explain("gradcam:relu=false,augment=true", net);
  EXPECT_TRUE(result.cells.allclose(sum / 6, 1e-4, 1e-6));
  EXPECT_EQ(result.forwards, 6);
  EXPECT_NEAR(result.score, net.score(photo())[0][0].item<double>(), 1e-6);  // of the input, not of a view
}

TEST(CamOptions, SeveralLayersAreAveragedByTheirLargestCell) {
  const PooledNet net({0});
  const Explanation late = explain("gradcam:layer=relu", net), early = explain("gradcam:layer=conv", net);
  const auto share = [](const Explanation& one) { return one.map / one.cells.abs().max(); };
  const Explanation both = explain("gradcam:layer=relu+conv", net);
  EXPECT_TRUE(both.map.allclose((share(late) + share(early)) / 2, 1e-4, 1e-6));
  EXPECT_EQ(both.plan.at("layer"), "relu+conv");
  EXPECT_EQ(both.unit, "share of each layer's largest cell");
  EXPECT_FALSE(both.cells.defined());
  EXPECT_EQ(both.forwards, 2);
}

TEST(SmoothGradCamPP, AveragesThePowersOfGradients) {
  // One position, one channel, a score of the layer's cube: gradients are known functions of the noisy activation.
  class Cube : public KnownLayer {
   public:
    Tensor activation(const Tensor& x, const std::string&) const override { return x.mean({1, 2, 3}, true).add(1); }
    Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
      return value.pow(3).flatten(1).sum(1, true);
    }
  } net;
  const Explanation clean = explain("smooth_gradcam_pp:noise=0,samples=12", net);
  const Explanation noisy = explain("smooth_gradcam_pp:noise=2,samples=40", net);
  EXPECT_LT(clean.standard_error.abs().max().item<double>(), 1e-6);
  EXPECT_GT(noisy.standard_error.max().item<double>(), 0);
  EXPECT_NE(noisy.map[0][0].item<double>(), clean.map[0][0].item<double>());
  EXPECT_EQ(noisy.forwards, 41);
  EXPECT_EQ(noisy.backwards, 40);
}

}  // namespace
}  // namespace vitrail
