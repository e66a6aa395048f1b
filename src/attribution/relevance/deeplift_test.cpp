#include <vitrail/deeplift.h>

#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include "attribution/relevance/networks_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

/// score - score(baseline), from the network itself.
double rise(const Model& model, const Tensor& x, const Tensor& baseline, int64_t target) {
  return (model.logits(x) - model.logits(baseline))[0][target].item<double>();
}

// MaxPool, and Clip whose units are saturated at the photo: where gradients vanish.
TEST(DeepLift, IsComplete) {
  for (const ConvNetOptions& options :
       {ConvNetOptions{}, ConvNetOptions{.activation = "Clip"},
        ConvNetOptions{.activation = "Clip", .batch_norm = true},
        ConvNetOptions{.activation = "Sigmoid", .reuse = true}, ConvNetOptions{.activation = "Tanh"}}) {
    const Model model = load(conv_net(options));
    const Tensor x = photo8() * 3;
    for (const int64_t target : {0, 1, 3}) {
      const Explanation result = explain_by("deeplift", model, x, {target})[0];
      const double expected = rise(model, x, at::zeros_like(x), target);
      EXPECT_NEAR(result.map.sum(at::kDouble).item<double>(), expected, 1e-4 * (1 + std::abs(expected)));
      EXPECT_NEAR(*result.completeness_gap, 0, 1e-4 * (1 + std::abs(expected)));
      EXPECT_TRUE(result.warnings.empty());
      EXPECT_FALSE(result.plan.contains("default_rule"));
    }
  }
}

TEST(DeepLift, IsCompleteThroughAttention) {
  for (const VitOptions& options : {VitOptions{}, VitOptions{.class_token = false}, VitOptions{.norms = false}}) {
    const Model model = load(vit(options));
    const Explanation result = explain_by("deeplift:baseline=black", model, photo8(), {2})[0];
    const double expected = rise(model, photo8(), at::zeros_like(photo8()), 2);
    EXPECT_NEAR(*result.completeness_gap, 0, 2e-3 * std::abs(expected));
    EXPECT_NEAR(result.map.sum(at::kDouble).item<double>(), expected, 2e-3 * std::abs(expected));
  }
}

TEST(DeepLift, OfAProbabilityIsComplete) {
  const Model model = load(conv_net());
  std::vector<Target> targets = classes({1});
  targets[0].unit = TargetUnit::probability;
  const Explanation result = parse_method("deeplift")->explain(*model.probe(targets), photo8(), {})[0];
  const Tensor p = model.logits(photo8()).softmax(1) - model.logits(at::zeros_like(photo8())).softmax(1);
  EXPECT_NEAR(result.map.sum(at::kDouble).item<double>(), p[0][1].item<double>(), 1e-5);
}

/// y = max(0, x0 + x1 - 1) at (2, 1) from 0: the sum rises by 3, of which 2 arrive.
TEST(DeepLift, RescalesByHand) {
  OnnxBuilder net;
  net.input("x", {-1, 1, 1, 2}).node("Flatten", {"x"}, {"f"}).initializer("w", at::ones({2, 2}));
  net.initializer("b", at::ones({2}) * -1).node("Gemm", {"f", "w", "b"}, {"z"}).node("Relu", {"z"}, {"y"}).output("y");
  const Tensor map = explain_by("deeplift", load(net), at::tensor({2.f, 1.f}).view({1, 1, 1, 2}))[0].map;
  EXPECT_NEAR(map[0][0].item<double>(), 4. / 3, 1e-6);
  EXPECT_NEAR(map[0][1].item<double>(), 2. / 3, 1e-6);
}

// What a maximum rises is its new winner's, what it falls its old one's.
TEST(DeepLift, WinnersShareAMaximumByHand) {
  OnnxBuilder net;
  net.input("x", {-1, 1, 1, 2}).node("GlobalMaxPool", {"x"}, {"m"}).node("Flatten", {"m"}, {"f"});
  net.initializer("w", at::ones({1, 2})).node("MatMul", {"f", "w"}, {"y"}).output("y");
  const Model model = load(net);
  const auto map = [&](const char* baseline, std::vector<float> x) {
    return explain_by(std::string("deeplift:baseline=") + baseline, model, at::tensor(x).view({1, 1, 1, 2}))[0].map;
  };
  // From 1 (pixel 255 under `unit`) everywhere: both stood at 1, the maximum falls to -1.
  EXPECT_NEAR(map("white", {-1, -3}).sum().item<double>(), -2, 1e-6);
  const Tensor up = map("black", {1, 2});
  EXPECT_NEAR(up[0][0].item<double>(), 0, 1e-6);
  EXPECT_NEAR(up[0][1].item<double>(), 2, 1e-6);
}

TEST(DeepLift, OnLinearNetsIsTheWeightedDifference) {
  OnnxBuilder net;
  const Tensor w = waves({12, 3}, 0.7), x = waves({1, 3, 2, 2}, 0.9);
  net.input("x", {-1, 3, 2, 2})
      .node("Flatten", {"x"}, {"f"})
      .initializer("w", w)
      .node("MatMul", {"f", "w"}, {"y"})
      .output("y");
  const Model model = load(net);
  for (const char* baseline : {"zero", "white", "127.5", "mean"}) {
    const Tensor b = Baseline(baseline).resolve(x[0], *model.probe(classes({1})));
    const Tensor expected = (w.select(1, 1).view({3, 2, 2}) * (x[0] - b)).sum(0);
    const Explanation result = explain_by(std::string("deeplift:baseline=") + baseline, model, x)[0];
    EXPECT_LT((result.map - expected).abs().max().item<double>(), 1e-5) << baseline;
    EXPECT_EQ(result.baseline, baseline);
  }
}

TEST(DeepLift, RefusesBaselinesThatDependOnAMask) {
  EXPECT_THAT(message_of<UsageError>([] { explain_by("deeplift:baseline=inpaint", load(conv_net()), photo8()); }),
              HasSubstr("inpaint"));
}

}  // namespace
}  // namespace vitrail
