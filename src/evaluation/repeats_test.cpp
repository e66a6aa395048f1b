#include <ATen/ops/arange.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/evaluate.h>

#include <cmath>

#include "evaluation/nets_for_tests.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Repeats, ASeedIsCountedOn) {
  const auto method = parse_method("rise:masks=20,seed=5");
  EXPECT_THAT(reseeded(*method, 2)->canonical(), HasSubstr("seed=7"));
  EXPECT_THAT(reseeded(*method, 2)->canonical(), HasSubstr("masks=20"));
  EXPECT_EQ(reseeded(*method, 0)->canonical(), method->canonical());
  EXPECT_EQ(reseeded(*parse_method("saliency"), 1), nullptr);
}

MethodEvaluation with_score(MetricScore score) {
  return {.forwards = 3, .seconds = 1, .scores = {std::move(score)}, .score_seconds = {0.5}};
}

TEST(Repeats, AScoreIsTheMeanAndACostTheSum) {
  MetricScore first{.value = 1, .parts = {{"both", 2}, {"one", 1}}, .forwards = 4},
      second{.value = 2, .parts = {{"both", 4}}, .forwards = 6};
  first.curve_x = second.curve_x = at::tensor({0.0, 1.0}, at::kDouble);
  first.curve_y = at::tensor({1.0, 0.0}, at::kDouble);
  second.curve_y = at::tensor({0.0, 0.5}, at::kDouble);
  const MethodEvaluation found = average_repeats({with_score(first), with_score(second)});
  EXPECT_EQ(found.scores[0].value, 1.5);
  EXPECT_THAT(found.repeats, ElementsAre(ElementsAre(1, 2)));
  EXPECT_THAT(found.scores[0].parts, ElementsAre(::testing::Pair("both", 3)));
  EXPECT_TRUE(found.scores[0].curve_y.equal(at::tensor({0.5, 0.25}, at::kDouble)));
  EXPECT_TRUE(first.curve_y.equal(at::tensor({1.0, 0.0}, at::kDouble))) << "what was given is not changed";
  EXPECT_EQ(found.forwards, 6);
  EXPECT_EQ(found.scores[0].forwards, 10);
  EXPECT_EQ(found.seconds, 2);
  EXPECT_EQ(found.score_seconds[0], 1);
}

TEST(Repeats, AScoreWithoutAValueLeavesNone) {
  const MetricScore none{.value = std::nan(""), .undefined = "the map is constant"};
  const MethodEvaluation found = average_repeats({with_score({.value = 1}), with_score(none)});
  EXPECT_TRUE(std::isnan(found.scores[0].value));
  EXPECT_EQ(found.scores[0].undefined, "the map is constant");
}

std::vector<PhotoEvaluation> with_repeats(const std::vector<std::vector<double>>& values) {
  std::vector<PhotoEvaluation> photos;
  for (const auto& repeats : values) {
    std::vector<MethodEvaluation> drawn;
    for (const double value : repeats) drawn.push_back(with_score({.value = value}));
    photos.push_back({.methods = {average_repeats(drawn)}});
  }
  return photos;
}

TEST(Repeats, TheSpreadIsDividedBetweenPhotosAndDraws) {
  const Methods methods = parse_methods("random");
  const Metrics metrics = parse_metrics("deletion");
  const EvaluationRow of_photos = summarise(with_repeats({{1, 1}, {2, 2}, {3, 3}}), methods, metrics).rows[0];
  EXPECT_EQ(of_photos.variance_images, 1);
  EXPECT_EQ(of_photos.variance_sampling, 0);
  const Evaluation of_draws = summarise(with_repeats({{1, 3}, {3, 1}, {1, 3}}), methods, metrics);
  EXPECT_EQ(of_draws.rows[0].variance_images, 0);
  EXPECT_EQ(of_draws.rows[0].variance_sampling, 2);
  EXPECT_THAT(of_draws.table(), HasSubstr("var. draws"));
}

TEST(Repeats, WhatDrawsNothingIsExplainedOnce) {
  const Model model = linear_model(at::linspace(-1e-4, 2e-4, 2 * 3 * 8 * 8).view({2, -1}), at::zeros({2}), 8);
  Image image;
  image.pixels = at::arange(8 * 8 * 3).view({8, 8, 3}).to(at::kByte);
  const Methods methods = parse_methods("saliency,random");
  const Metrics metrics = parse_metrics("deletion:steps=2");
  const auto evaluate = [&](int64_t repeats) {
    return evaluate_photo(model, image, methods, metrics, "0", {}, {}, WhereRefused::fail, repeats);
  };
  const PhotoEvaluation once = evaluate(1), thrice = evaluate(3);
  EXPECT_TRUE(once.methods[1].repeats.empty());
  EXPECT_TRUE(thrice.methods[0].repeats.empty());
  EXPECT_EQ(thrice.methods[0].scores[0].forwards, once.methods[0].scores[0].forwards);
  EXPECT_EQ(thrice.methods[1].scores[0].forwards, 3 * once.methods[1].scores[0].forwards);
  ASSERT_EQ(thrice.methods[1].repeats.at(0).size(), 3U);
  EXPECT_EQ(thrice.methods[1].repeats[0][0], once.methods[1].scores[0].value);
  EXPECT_NE(thrice.methods[1].repeats[0][1], thrice.methods[1].repeats[0][0]);
  EXPECT_THROW(evaluate(0), UsageError);
}

}  // namespace
}  // namespace vitrail
