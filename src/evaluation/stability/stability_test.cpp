#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/average_stability.h>
#include <vitrail/local_lipschitz.h>
#include <vitrail/relative_stability.h>
#include <vitrail/sensitivity.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "attribution/random.h"
#include "evaluation/cases_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

/// All but the one that asks for a layer.
std::vector<std::string> names_of_the_family() {
  std::vector<std::string> names;
  for (const MetricInfo& info : metrics())
    if (info.family == "stability" && info.name != "relative_representation_stability") names.push_back(info.name);
  return names;
}

/// A method and the map that it gives for an input.
struct Explained {
  std::unique_ptr<Method> method;
  const Scorer& scorer;
  Tensor input, values;
  Explained(const std::string& text, const Scorer& of, const Tensor& at)
      : method(parse_method(text)), scorer(of), input(at) {
    values = method->explain(scorer, input.unsqueeze(0), {})[0].map;
  }
  MetricCase map() const { return {.scorer = &scorer, .input = input, .map = values, .method = method.get()}; }
};

/// Of one channel: the gradient is x itself, and for positive x so is its size.
const CallableScorer& half_square() {
  static const CallableScorer scorer([](const Tensor& x) { return (x * x).flatten(1).sum(1, true) / 2; });
  return scorer;
}

/// Draw j of an input of one channel, on [low, high).
Tensor draw(const Tensor& input, uint64_t seed, uint64_t j, double low, double high) {
  const Random random(seed, RandomStream::neighbour, j);
  Tensor values = at::zeros({input.numel()}, at::kDouble);
  for (int64_t i = 0; i < input.numel(); ++i) {
    const uint64_t pair = random.at(static_cast<uint64_t>(i / 2)), word = pair >> 32 * (i % 2) & 0xffffffff;
    values[i] = low + (high - low) * std::ldexp(static_cast<double>(word >> 8), -24);
  }
  return values.view({input.size(1), input.size(2)});
}

double l2(const Tensor& values) { return values.square().sum().sqrt().item<double>(); }

TEST(Stability, TheGradientOfALinearModelNeverMoves) {
  const LinearScorer scorer(at::randn({3, 4, 5}), 0.7);
  const Explained saliency("saliency", scorer, at::rand({3, 4, 5}));
  for (const std::string& name : names_of_the_family()) {
    const MetricScore score = parse_metric(name)->score(saliency.map());
    EXPECT_EQ(score.value, 0) << name;
    EXPECT_GT(score.parts.at("output_change"), 0) << name;
  }
  for (const StabilityDistance distance : {StabilityDistance::l1, StabilityDistance::l2, StabilityDistance::spearman})
    EXPECT_NEAR(average_stability(saliency.map(), {.distance = distance}).value, 0, 1e-12);
}

TEST(AverageStability, IsTheMeanDistance) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}) + 1);
  for (const bool centred : {false, true}) {
    double sum_l1 = 0, sum_l2 = 0;
    for (uint64_t j = 0; j < 7; ++j) {
      const Tensor change = draw(saliency.input, 5, j, centred ? -0.15 : 0, centred ? 0.15 : 0.3);
      sum_l1 += change.abs().sum().item<double>();
      sum_l2 += l2(change);
    }
    const AverageStabilityOptions options{.samples = 7, .radius = 0.3, .centred = centred, .seed = 5};
    EXPECT_NEAR(average_stability(saliency.map(), options).value, sum_l2 / 7, 1e-5);
    AverageStabilityOptions in_l1 = options;
    in_l1.distance = StabilityDistance::l1;
    EXPECT_NEAR(average_stability(saliency.map(), in_l1).value, sum_l1 / 7, 1e-5);
  }
}

TEST(AverageStability, SpearmanIsOneLessTheRankCorrelation) {
  // Three pixels, and changes that turn the order of the lower two round for every second input or so: 1 - rho is 0 or
  // 1/2, since the squares of the differences of ranks add up to 2: rho = 1 - 6 x 2 / (3 x 8).
  const Tensor input = at::tensor({1.0f, 1.001f, 3.0f}).view({1, 1, 3});
  const Explained saliency("saliency", half_square(), input);
  int64_t turned = 0;
  for (uint64_t j = 0; j < 20; ++j) {
    const Tensor changed = input[0] + draw(input, 0, j, 0, 0.1);
    turned += (changed[0][0] > changed[0][1]).item<bool>();
  }
  ASSERT_GT(turned, 0);
  EXPECT_NEAR(average_stability(saliency.map(), {.distance = StabilityDistance::spearman}).value,
              0.5 * static_cast<double>(turned) / 20, 1e-9);
}

TEST(Sensitivity, IsTheRelativeChangeInTheBall) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}) + 1);
  double largest = 0, sum = 0;
  for (uint64_t j = 0; j < 10; ++j) {
    const double change = l2(draw(saliency.input, 0, j, -0.02, 0.02)) / l2(saliency.input.to(at::kDouble));
    largest = std::max(largest, change);
    sum += change;
  }
  EXPECT_NEAR(max_sensitivity(saliency.map()).value, largest, 1e-6);
  EXPECT_NEAR(average_sensitivity(saliency.map()).value, sum / 10, 1e-6);
}

TEST(LocalLipschitz, OfAMapThatIsTheInputTimesAConstantIsTheConstant) {
  const LinearScorer scorer(at::full({1, 3, 4}, -2.5f));
  const Explained product("gradient_x_input", scorer, at::rand({1, 3, 4}) + 1);
  EXPECT_NEAR(local_lipschitz(product.map()).value, 2.5, 1e-4);
}

TEST(RelativeStability, OfAMapProportionalToTheInputIsOne) {
  const LinearScorer scorer(at::full({1, 3, 4}, -2.5f));
  const Explained product("gradient_x_input", scorer, at::rand({1, 3, 4}) + 1);
  EXPECT_NEAR(relative_input_stability(product.map()).value, 1, 1e-4);
  EXPECT_EQ(relative_input_stability(product.map()).parts.at("zeros"), 0);
  double largest = 0;
  const Tensor input = product.input[0].to(at::kDouble);
  for (uint64_t j = 0; j < 10; ++j) {
    const Tensor change = draw(product.input, 0, j, -0.02, 0.02);
    largest = std::max(largest, l2(change / input) / std::abs(2.5 * change.sum().item<double>()));
  }
  EXPECT_NEAR(relative_output_stability(product.map()).value / largest, 1, 1e-2);
}

TEST(RelativeStability, EpsilonDividesWhereThereIsZero) {
  // Both are 0 at the first pixel, where x and the map change by the same factor.
  const LinearScorer scorer(at::tensor({3.0f, 2.0f}).view({1, 1, 2}));
  const Explained product("gradient_x_input", scorer, at::tensor({0.0f, 1.0f}).view({1, 1, 2}));
  const MetricScore score = relative_input_stability(product.map(), {.epsilon = 1e-3});
  EXPECT_EQ(score.parts.at("zeros"), 0.5);
  double largest = 0;
  for (uint64_t j = 0; j < 10; ++j) {
    const Tensor change = draw(product.input, 0, j, -0.02, 0.02).flatten();
    const Tensor of_map = change * at::tensor({3 / 1e-3, 1.0}), of_input = change * at::tensor({1 / 1e-3, 1.0});
    largest = std::max(largest, l2(of_map) / l2(of_input));
  }
  EXPECT_NEAR(score.value, largest, 1e-3);
}

/// The sum of the input's values, past layers that triple and square them.
class LayeredSum : public Probe {
 public:
  Tensor score(const Tensor& x) const override { return differentiable_score(x); }
  Tensor differentiable_score(const Tensor& x) const override { return x.flatten(1).sum(1, true); }
  std::vector<Target> targets() const override { return {Target{}}; }
  std::vector<LayerInfo> spatial_layers() const override {
    return {{.name = "square", .value = "s", .shape = {}, .op = "Mul"},
            {.name = "triple", .value = "t", .shape = {}, .op = "Mul"}};
  }
  Tensor activation(const Tensor& x, const std::string& layer) const override {
    return layer == "square" ? x * x : x * 3;
  }
  Tensor score_from(const Tensor&, const std::string&, const Tensor&) const override { return {}; }
};

TEST(RelativeStability, OfALayerIsByItsRelativeChange) {
  const LayeredSum scorer;
  const Explained product("gradient_x_input", scorer, at::rand({1, 3, 4}) + 1);  // the map is the input
  EXPECT_NEAR(relative_representation_stability(product.map(), {.layer = "triple"}).value, 1, 1e-4);
  double largest = 0;
  const Tensor input = product.input[0].to(at::kDouble);
  for (uint64_t j = 0; j < 10; ++j) {
    const Tensor relative = draw(product.input, 0, j, -0.02, 0.02) / input;
    largest = std::max(largest, l2(relative) / l2(relative * 2 + relative * relative));
  }
  const MetricScore score = relative_representation_stability(product.map());
  EXPECT_NEAR(score.value, largest, 1e-4);
  EXPECT_EQ(score.parts.at("layer square"), 12) << "as Grad-CAM would choose";
  EXPECT_EQ(score.parts.at("layer_zeros"), 0);
  EXPECT_EQ(score.forwards, 10 + 1 + 11);
}

TEST(RelativeStability, OfALayerWantsALayer) {
  const LinearScorer scorer(at::full({1, 3, 4}, -2.5f));
  const Explained product("gradient_x_input", scorer, at::rand({1, 3, 4}) + 1);
  EXPECT_THAT(message_of<UsageError>([&] { relative_representation_stability(product.map()); }),
              HasSubstr("this scorer has none"));
}

TEST(Stability, TellsHowFarTheScoreMoves) {
  const LinearScorer scorer(at::full({1, 3, 4}, 2.0f));
  const Explained saliency("saliency", scorer, at::rand({1, 3, 4}));
  double sum = 0;
  for (uint64_t j = 0; j < 20; ++j) sum += 2 * draw(saliency.input, 0, j, 0, 0.1).sum().item<double>();
  EXPECT_NEAR(average_stability(saliency.map()).parts.at("output_change"), sum / 20, 1e-4);
}

TEST(Stability, DoesNotDependOnTheBatch) {
  const CallableScorer scorer([](const Tensor& x) { return (x.sin() * x).flatten(1).sum(1, true); });
  for (const char* method : {"saliency", "smoothgrad:samples=3", "rise:masks=20,grid=2"}) {
    const Explained explained(method, scorer, at::rand({3, 6, 7}));
    for (const std::string& name : names_of_the_family()) {
      MetricCase map = explained.map();
      const auto metric = parse_metric(name + ":samples=5");
      const double whole = metric->score(map).value;
      map.execution.batch = 2;
      EXPECT_NEAR(metric->score(map).value, whole, 1e-3 * whole) << name << " of " << method;
      EXPECT_GT(whole, 0) << name << " of " << method;
    }
  }
}

TEST(Stability, DrawsByTheSeedAlone) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}) + 1);
  EXPECT_EQ(average_stability(saliency.map()).value, average_stability(saliency.map()).value);
  EXPECT_NE(average_stability(saliency.map()).value, average_stability(saliency.map(), {.seed = 1}).value);
  const auto seeded = parse_metrics("average_stability", 1);
  EXPECT_EQ(seeded[0]->score(saliency.map()).value, average_stability(saliency.map(), {.seed = 1}).value);
}

TEST(Stability, CountsWhatIsRun) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}));
  const MetricScore score = average_stability(saliency.map(), {.samples = 6});
  EXPECT_EQ(score.forwards, 7);  // and the input itself
  EXPECT_EQ(score.backwards, 6);
}

TEST(Stability, WhatCannotBeComparedHasNoValue) {
  const LinearScorer flat(at::full({1, 3, 4}, 2.0f));
  const Explained constant("saliency", flat, at::rand({1, 3, 4}));
  EXPECT_THAT(average_stability(constant.map(), {.distance = StabilityDistance::spearman}).undefined,
              HasSubstr("constant"));
  const LinearScorer nothing(at::zeros({1, 3, 4}));
  const Explained zero("saliency", nothing, at::rand({1, 3, 4}));
  EXPECT_THAT(max_sensitivity(zero.map()).undefined, HasSubstr("zero everywhere"));
  EXPECT_TRUE(std::isnan(average_sensitivity(zero.map()).value));
  // A gradient that is constant as soon as the input is brighter.
  const CallableScorer clipped([](const Tensor& x) { return x.clamp(0, 1).square().flatten(1).sum(1, true); });
  const Explained edge("saliency", clipped, at::full({1, 3, 4}, 1.0f) - at::rand({1, 3, 4}) * 1e-3);
  const MetricScore score = average_stability(edge.map(), {.radius = 50, .distance = StabilityDistance::spearman});
  EXPECT_TRUE(std::isnan(score.value));
  EXPECT_THAT(score.undefined, HasSubstr("of 20 neighbours cannot be compared"));
}

TEST(Stability, RefusesWhatItCannotJudge) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}));
  MetricCase map = saliency.map();
  EXPECT_THAT(message_of<UsageError>([&] { average_stability(map, {.samples = 0}); }), HasSubstr("samples=0"));
  EXPECT_THAT(message_of<UsageError>([&] { local_lipschitz(map, {.radius = 0}); }), HasSubstr("radius=0"));
  map.method = nullptr;
  EXPECT_THAT(message_of<UsageError>([&] { max_sensitivity(map); }), HasSubstr("says no method"));
  const std::atomic<bool> cancelled = true;
  map = saliency.map();
  map.execution.cancelled = &cancelled;
  EXPECT_THROW(average_sensitivity(map), CancelledError);
}

TEST(Stability, StringsAndTypedCallsAreTheSame) {
  const Explained saliency("saliency", half_square(), at::rand({1, 3, 4}) + 1);
  const auto metric = parse_metric("average_stability:samples=3,distance=l1,centred=true");
  EXPECT_EQ(
      metric->score(saliency.map()).value,
      average_stability(saliency.map(), {.samples = 3, .centred = true, .distance = StabilityDistance::l1}).value);
  EXPECT_EQ(parse_metric(metric->canonical())->canonical(), metric->canonical());
}

}  // namespace
}  // namespace vitrail
