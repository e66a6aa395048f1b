#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/evaluate.h>
#include <vitrail/sanity_checks.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "base/ranks.h"
#include "evaluation/nets_for_tests.h"
#include "evaluation/sanity/weights.h"
#include "support/corpus.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSide = 8;

/// Two convolutions and a head.
Model small_net() {
  testing::OnnxBuilder net;
  net.input("x", {-1, 3, kSide, kSide})
      .initializer("a.weight", at::randn({6, 3, 3, 3}))
      .initializer("a.bias", at::randn({6}))
      .initializer("b.weight", at::randn({8, 6, 3, 3}))
      .initializer("head.weight", at::randn({8, 5}))
      .node("Conv", {"x", "a.weight", "a.bias"}, {"c1"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Relu", {"c1"}, {"r1"})
      .node("Conv", {"r1", "b.weight"}, {"c2"})
      .node("Relu", {"c2"}, {"r2"})
      .node("GlobalAveragePool", {"r2"}, {"pool"})
      .node("Flatten", {"pool"}, {"flat"})
      .node("MatMul", {"flat", "head.weight"}, {"y"})
      .output("y");
  return Model::load(net.save(), {.preprocess = "raw"});
}

struct Explained {
  const Model& model;
  std::unique_ptr<Method> method;
  std::unique_ptr<Probe> probe;
  Target target;
  Tensor input, map;
  Explained(const Model& of, const std::string& name, const Tensor& photo)
      : model(of), method(parse_method(name)), input(photo) {
    target.index = 2;
    target.string = "2";
    probe = model.probe({target});
    map = method->explain(*probe, input.unsqueeze(0), {})[0].map;
  }
  MetricCase as_case() const {
    return {
        .scorer = probe.get(), .input = input, .map = map, .method = method.get(), .model = &model, .target = target};
  }
};

TEST(SanityChecks, AMapThatKnowsNothingStaysTheSame) {
  const Model model = small_net();
  const Explained edges(model, "edges", at::rand({3, kSide, kSide}));
  for (const MetricScore& score : {model_randomisation(edges.as_case()), random_logit(edges.as_case())}) {
    EXPECT_NEAR(score.value, 1, 1e-12);
    EXPECT_NEAR(score.parts.at("spearman"), 1, 1e-12);
    EXPECT_NEAR(score.parts.at("ssim_abs"), 1, 1e-6);
  }
}

TEST(SanityChecks, RandomLogitOfALinearModelComparesRowsOfWeights) {
  const Tensor weight = at::randn({4, 3 * kSide * kSide});
  const Model model = linear_model(weight, at::zeros({4}), kSide);
  // The gradient itself, as a photo of ones shows it.
  const Explained gradient(model, "gradient_x_input", at::ones({3, kSide, kSide}));
  const MetricScore score = random_logit(gradient.as_case(), {.similarity = Similarity::spearman});
  const auto other = static_cast<int64_t>(score.parts.at("class"));
  ASSERT_NE(other, 2);
  const auto row = [&](int64_t k) {
    const Tensor sums = weight[k].view({3, -1}).sum(0).to(at::kDouble).contiguous();
    return std::vector<double>(sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel());
  };
  EXPECT_NEAR(score.value, rank_correlation(row(2), row(other)), 1e-3);
}

TEST(SanityChecks, TheNetworkItselfStaysAsItIs) {
  const Model model = small_net();
  const Explained saliency(model, "saliency", at::rand({3, kSide, kSide}));
  const Tensor before = model.logits(saliency.input.unsqueeze(0));
  const MetricScore whole = model_randomisation(saliency.as_case(), {.share = 1, .stages = 3});
  EXPECT_TRUE(model.logits(saliency.input.unsqueeze(0)).equal(before));
  EXPECT_EQ(whole.curve_y.numel(), 3);
  EXPECT_NEAR(whole.curve_x[0].item<double>(), 1.0 / 3, 1e-9);
  EXPECT_NEAR(whole.curve_y[2].item<double>(), whole.value, 1e-12);
  EXPECT_LT(whole.value, 0.9);
  EXPECT_EQ(whole.forwards, 3);
}

TEST(SanityChecks, OneLayerAtATimeIsTheMeanOverLayers) {
  const Model model = small_net();
  const Explained saliency(model, "saliency", at::rand({3, kSide, kSide}));
  const MetricScore score =
      model_randomisation(saliency.as_case(), {.share = 1, .mode = RandomisationMode::independent});
  EXPECT_NEAR(score.value, score.curve_y.mean().item<double>(), 1e-12);
  const MetricScore cascade = model_randomisation(saliency.as_case(), {.share = 1, .stages = 3});
  EXPECT_NEAR(score.curve_y[0].item<double>(), cascade.curve_y[0].item<double>(), 1e-12) << "both begin with the head";
  EXPECT_NE(score.curve_y[2].item<double>(), cascade.curve_y[2].item<double>());
}

TEST(SanityChecks, WeightsAreFoundAndDrawnAsTheOptionSays) {
  const Model model = small_net();
  const auto layers = weighted_layers(model.graph());
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].fan_in, 27);
  EXPECT_EQ(layers[0].bias, "a.bias");
  EXPECT_EQ(layers[1].fan_in, 54);
  EXPECT_EQ(layers[2].fan_in, 8);
  EXPECT_EQ(weighted_layers(linear_model(at::randn({4, 192}), at::zeros({4}), kSide).graph())[0].fan_in, 192);
  const auto he = draw_weights(model.graph(), layers[1], WeightSource::initializer, 1, 0);
  EXPECT_NEAR(he.at("b.weight").var().item<double>(), 2.0 / 54, 0.2 * 2.0 / 54);
  EXPECT_EQ(
      draw_weights(model.graph(), layers[0], WeightSource::initializer, 1, 0).at("a.bias").abs().max().item<double>(),
      0);
  const auto permuted = draw_weights(model.graph(), layers[1], WeightSource::permute, 1, 0);
  const Tensor sorted = std::get<0>(permuted.at("b.weight").flatten().sort()),
               trained = std::get<0>(model.graph().constant("b.weight").flatten().sort());
  EXPECT_TRUE(sorted.equal(trained));
  EXPECT_FALSE(permuted.at("b.weight").equal(model.graph().constant("b.weight")));
  const Tensor uniform = draw_weights(model.graph(), layers[0], WeightSource::uniform01, 1, 0).at("a.bias");
  EXPECT_GE(uniform.min().item<double>(), 0);
  EXPECT_LT(uniform.max().item<double>(), 1);
}

TEST(SanityChecks, WithoutAMethodThereIsNothingToExplainAgain) {
  const Model model = small_net();
  const Explained saliency(model, "saliency", at::rand({3, kSide, kSide}));
  MetricCase map = saliency.as_case();
  map.method = nullptr;
  EXPECT_THROW(random_logit(map), UsageError);
  map.target.index = -1;
  EXPECT_THAT(random_logit(map).undefined, HasSubstr("not one of several classes"));
}

// What Adebayo et al. found: the gradient depends on the last layers, guided backpropagation hardly.
TEST(SanityChecks, TellTheGradientFromGuidedBackpropOnARealNet) {
  const auto file = testing::corpus() / "models" / "cifar10" / "resnet20.onnx",
             photos = testing::corpus() / "small" / "cifar10-jpeg";
  if (!std::filesystem::is_regular_file(file)) {
    ASSERT_FALSE(std::getenv("VITRAIL_REQUIRE_CORPUS")) << file << " is not there";
    GTEST_SKIP() << file << " is not there (VITRAIL_CORPUS)";
  }
  const Model model = Model::load(file);
  const Methods methods = parse_methods("saliency,guided_backprop");
  const Metrics metrics = parse_metrics("model_randomisation");
  std::vector<PhotoEvaluation> evaluated;
  for (const auto& of_class : std::filesystem::directory_iterator(photos))
    for (size_t i = 0; i < 2; ++i)
      evaluated.push_back(evaluate_photo(model, read_image(photos_in(of_class.path()).at(i)), methods, metrics));
  const Evaluation evaluation = summarise(evaluated, methods, metrics);
  EXPECT_LT(evaluation.rows[0].high, 0.5) << "saliency passes";
  EXPECT_GT(evaluation.rows[1].low, evaluation.rows[0].high) << "guided_backprop stays more alike";
}

}  // namespace
}  // namespace vitrail
