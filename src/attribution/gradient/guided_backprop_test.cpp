// Guided backpropagation and DeconvNet on nets with ReLU, ReLU6 and no rectifier at all.

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/gradcam.h>
#include <vitrail/guided_backprop.h>
#include <vitrail/method.h>
#include <vitrail/saliency.h>

#include "attribution/nets_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using vitrail::testing::OnnxBuilder;

Tensor photos() { return wave(6, 8, 8, 0.37).view({2, 3, 8, 8}) * 4; }
const Tensor& kernel() {
  static const Tensor values = wave(15, 3, 3, 0.9).view({5, 3, 3, 3});
  return values;
}
Tensor head() { return wave(1, 5, 4, 1.3)[0]; }

/// Convolution, `activation`, mean over positions, linear layer.
Model net(const std::string& activation) {
  OnnxBuilder builder;
  builder.input("x", {-1, 3, 8, 8}).initializer("w", kernel()).initializer("h", head());
  builder.node("Conv", {"x", "w"}, {"c"});
  if (activation == "Clip")
    builder.initializer("low", at::tensor(0.f))
        .initializer("high", at::tensor(6.f))
        .node("Clip", {"c", "low", "high"}, {"r"});
  else
    builder.node(activation, {"c"}, {"r"});
  builder.node("GlobalAveragePool", {"r"}, {"p"}).node("Flatten", {"p"}, {"f"}).node("MatMul", {"f", "h"}, {"y"});
  return Model::load(builder.output("y").save(), {.preprocess = "unit"});
}

std::vector<Target> targets() { return {target(0), target(2)}; }

/// What comes back to the input, mean over channels, when the activation passes `mask` of the positive part.
Tensor expected(const Tensor& mask, int64_t index) {
  const Tensor before = mask * (head().select(1, index) / 36).clamp_min(0).view({1, -1, 1, 1});
  const Tensor back = at::conv2d(before, kernel().flip({2, 3}).transpose(0, 1), {}, 1, 2);
  return back[0].mean(0);
}

class Rectifier : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Operators, Rectifier, ::testing::Values("Relu", "Clip"));

TEST_P(Rectifier, PassesBackWhatTheRuleSays) {
  const auto probe = net(GetParam()).probe(targets());
  const auto guided = guided_backprop(*probe, photos()), deconv = deconvnet(*probe, photos());
  const auto plain = parse_method("saliency:reducer=mean")->explain(*probe, photos(), {});
  for (size_t i = 0; i < guided.size(); ++i) {
    const Tensor before = at::conv2d(photos().narrow(0, static_cast<int64_t>(i / 2), 1), kernel());
    const bool limited = GetParam() == std::string("Clip");
    const Tensor active = before.gt(0).logical_and(before.lt(limited ? 6 : 1e9)).to(at::kFloat);
    ASSERT_EQ(before.gt(6).any().item<bool>(), true);  // saturation matters
    const int64_t index = i % 2 == 0 ? 0 : 2;
    EXPECT_TRUE(guided[i].map.allclose(expected(active, index), 1e-4, 1e-6));
    EXPECT_TRUE(deconv[i].map.allclose(expected(active * 0 + 1, index), 1e-4, 1e-6));
    EXPECT_FALSE(guided[i].map.allclose(deconv[i].map, 1e-2, 1e-3));
    EXPECT_THAT(guided[i].warnings, Contains(HasSubstr("guided_backprop fails sanity checks")));
    EXPECT_THAT(deconv[i].warnings, Contains(HasSubstr("deconvnet fails sanity checks")));
    EXPECT_EQ(guided[i].score, plain[i].score);
  }
}

TEST_P(Rectifier, ChangesTheGradient) {
  const auto probe = net(GetParam()).probe(targets());
  for (const auto& target : {0, 2}) {
    const Tensor x = photos().narrow(0, 0, 1).requires_grad_(true);
    const Tensor scores = probe->differentiable_score(x).select(1, target == 0 ? 0 : 1).sum();
    const Tensor plain = gradient({scores}, {x})[0][0].mean(0);
    const size_t t = target == 0 ? 0 : 1;
    EXPECT_FALSE(guided_backprop(*probe, photos())[t].map.allclose(plain, 1e-2, 1e-3));
    EXPECT_FALSE(deconvnet(*probe, photos())[t].map.allclose(plain, 1e-2, 1e-3));
  }
}

TEST(GuidedBackprop, IsTheGradientWhereThereIsNoRectifier) {
  const auto probe = net("Sigmoid").probe(targets());
  const Tensor x = photos().narrow(0, 0, 1).requires_grad_(true);
  const Tensor plain = gradient({probe->differentiable_score(x).select(1, 1).sum()}, {x})[0][0].mean(0);
  EXPECT_GT(plain.abs().max().item<double>(), 1e-3);
  EXPECT_TRUE(guided_backprop(*probe, photos())[1].map.allclose(plain));
  EXPECT_TRUE(deconvnet(*probe, photos())[1].map.allclose(plain));
}

TEST(GuidedBackprop, RefusesScorersWithoutOperators) {
  const CallableScorer scorer = linear_scorer(wave(3, 8, 8, 1));
  EXPECT_THROW(guided_backprop(scorer, photos()), UsageError);
  EXPECT_THROW(deconvnet(scorer, photos()), UsageError);
  EXPECT_TRUE(scorer.score_with_rule(photos(), BackwardRule::plain).equal(scorer.score(photos())));
}

TEST(GuidedGradCam, IsTheProductOfItsFactors) {
  const auto probe = net("Relu").probe(targets());
  const auto product = guided_gradcam(*probe, photos());
  const auto guided = guided_backprop(*probe, photos());
  const auto cam = gradcam(*probe, photos());
  for (size_t i = 0; i < product.size(); ++i) {
    EXPECT_GT(product[i].map.abs().max().item<double>(), 0);
    EXPECT_TRUE(product[i].map.allclose(guided[i].map * cam[i].map));
    EXPECT_EQ(product[i].plan.at("layer"), cam[i].plan.at("layer"));
    EXPECT_THAT(product[i].warnings, Contains(HasSubstr("fails sanity checks")));
  }
}

}  // namespace
}  // namespace vitrail
