#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/deletion.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "evaluation/cases_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

const Baseline kZero("zero");

std::vector<double> values_of(const Tensor& tensor) {
  const Tensor values = tensor.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

struct Linear {
  LinearScorer scorer{at::randn({3, 4, 5}), 0.7};
  Tensor input = at::rand({3, 4, 5});
  Tensor contributions = (scorer.weight() * input).sum(0);  // [H,W]
  MetricCase map(const Tensor& values) const { return {.scorer = &scorer, .input = input, .map = values}; }
};

TEST(Deletion, OfALinearModelIsTheSumOfWhatIsLeft) {
  const Linear linear;
  std::vector<double> left = values_of(linear.contributions);
  std::sort(left.begin(), left.end(), std::greater<>());
  const MetricScore score = deletion(linear.map(linear.contributions), {.steps = -1, .baseline = kZero});
  const std::vector<double> curve = values_of(score.curve_y);
  ASSERT_EQ(curve.size(), 21u);
  double area = 0;
  for (size_t k = 0; k < curve.size(); ++k) {
    const double expected = std::accumulate(left.begin() + static_cast<int64_t>(k), left.end(), 0.7);
    EXPECT_NEAR(curve[k], expected, 1e-5) << k;
    area += expected * (k == 0 || k + 1 == curve.size() ? 0.5 : 1) / 20;
  }
  EXPECT_NEAR(score.value, area, 1e-5);
  EXPECT_EQ(score.forwards, 21);
}

TEST(Insertion, OfALinearModelIsDeletionFromTheOtherEnd) {
  const Linear linear;
  const auto map = linear.map(linear.contributions);
  const MetricScore shown = insertion(map, {.steps = -1, .baseline = kZero});
  const MetricScore hidden = deletion(map, {.steps = -1, .baseline = kZero, .lerf = true});
  EXPECT_NEAR(shown.value, hidden.value, 1e-5);
  const MetricScore whole = insertion(map, {.steps = 1, .baseline = kZero});
  EXPECT_NEAR(whole.curve_y[0].item<double>(), 0.7, 1e-6);
  EXPECT_NEAR(whole.curve_y[1].item<double>(), 0.7 + linear.contributions.sum().item<double>(), 1e-5);
}

TEST(Deletion, TheOrderOfContributionsIsTheBestOfAllOrders) {
  const LinearScorer scorer(at::randn({1, 2, 3}));
  const Tensor input = at::rand({1, 2, 3});
  const auto with = [&](const Tensor& map, bool deletes) {
    const MetricCase one{.scorer = &scorer, .input = input, .map = map};
    const DeletionOptions options{.steps = -1, .baseline = kZero};
    return deletes ? deletion(one, options) : insertion(one, options);
  };
  const Tensor best_map = (scorer.weight() * input)[0];
  const Tensor best_hidden = with(best_map, true).curve_y, best_shown = with(best_map, false).curve_y;
  std::vector<float> order = {1, 2, 3, 4, 5, 6};
  do {
    const Tensor map = at::tensor(order).view({2, 3});
    EXPECT_TRUE((with(map, true).curve_y >= best_hidden - 1e-6).all().item<bool>());
    EXPECT_TRUE((with(map, false).curve_y <= best_shown + 1e-6).all().item<bool>());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Deletion, TenStepsHideTheFloorOfEachShare) {
  const Linear linear;
  const MetricScore score = deletion(linear.map(linear.contributions), {.steps = 3, .share = 0.5});
  EXPECT_THAT(values_of(score.curve_x * 20),
              ::testing::Pointwise(::testing::DoubleEq(), std::vector<double>{0, 3, 6, 10}));
}

TEST(Deletion, AllChannelsOfAPixelChange) {
  // Only green counts: a metric that perturbed the first channel alone would see nothing.
  const Tensor weight = at::zeros({3, 2, 2});
  weight[1].fill_(1);
  const LinearScorer scorer(weight);
  const MetricCase map{
      .scorer = &scorer, .input = at::full({3, 2, 2}, 1.0f), .map = at::tensor({4.0f, 3.0f, 2.0f, 1.0f}).view({2, 2})};
  EXPECT_THAT(values_of(deletion(map, {.steps = -1, .baseline = kZero}).curve_y),
              ::testing::Pointwise(::testing::DoubleEq(), std::vector<double>{4, 3, 2, 1, 0}));
}

TEST(Deletion, DependsOnTheOrderOfTheMapOnlyAndNotOnTheBatch) {
  const Linear linear;
  MetricCase map = linear.map(linear.contributions), scaled = linear.map(linear.contributions.exp() * 3);
  EXPECT_EQ(deletion(map).value, deletion(scaled).value);
  map.execution.batch = 3;
  EXPECT_NEAR(deletion(map).value, deletion(scaled).value, 1e-6);
}

TEST(Deletion, OfAConstantModelIsTheConstant) {
  const LinearScorer scorer(at::zeros({3, 4, 5}), 2.5);
  const MetricCase map{.scorer = &scorer, .input = at::rand({3, 4, 5}), .map = at::rand({4, 5})};
  EXPECT_DOUBLE_EQ(deletion(map).value, 2.5);
  EXPECT_DOUBLE_EQ(insertion(map).value, 2.5);
  EXPECT_DOUBLE_EQ(insertion(map, {.normalise = true}).value, 1);
}

TEST(Deletion, WhatHasNoValueSaysWhy) {
  const Linear linear;
  const MetricScore constant = deletion(linear.map(at::full({4, 5}, 0.3f)));
  EXPECT_TRUE(std::isnan(constant.value));
  EXPECT_THAT(constant.undefined, HasSubstr("constant"));
  Tensor broken = at::rand({4, 5});
  broken[1][1] = std::nan("");
  EXPECT_THAT(deletion(linear.map(broken)).undefined, HasSubstr("1 non-finite"));
  const LinearScorer negative(at::zeros({3, 4, 5}), -1);
  const MetricCase map{.scorer = &negative, .input = at::rand({3, 4, 5}), .map = at::rand({4, 5})};
  EXPECT_THAT(deletion(map, {.normalise = true}).undefined, HasSubstr("not positive"));
}

TEST(Deletion, TiesGoByPlaceOrByADraw) {
  const Linear linear;
  Tensor map = at::zeros({4, 5});
  map[3][4] = 1;
  const auto curve = [&](Ties ties, uint64_t seed) {
    return deletion(linear.map(map), {.steps = -1, .baseline = kZero, .ties = ties, .seed = seed}).curve_y;
  };
  // After the one pixel, row by row.
  const Tensor rows = linear.contributions.flatten();
  EXPECT_NEAR((curve(Ties::index, 0)[1] - curve(Ties::index, 0)[2]).item<double>(), rows[0].item<double>(), 1e-5);
  EXPECT_TRUE(curve(Ties::random, 1).equal(curve(Ties::random, 1)));
  EXPECT_FALSE(curve(Ties::random, 1).equal(curve(Ties::random, 2)));
}

TEST(Deletion, RefusesWhatItCannotJudge) {
  const Linear linear;
  EXPECT_THAT(message_of<UsageError>([&] { deletion({.scorer = &linear.scorer, .input = linear.input}); }),
              HasSubstr("found a map of nothing"));
  EXPECT_THAT(message_of<UsageError>([&] { deletion(linear.map(at::rand({5, 4}))); }), HasSubstr("[5,4]"));
  EXPECT_THAT(message_of<UsageError>([&] { deletion({.input = linear.input, .map = at::rand({4, 5})}); }),
              HasSubstr("needs a scorer"));
  EXPECT_THAT(message_of<UsageError>([&] { deletion(linear.map(at::rand({4, 5})), {.steps = 0}); }),
              HasSubstr("steps=0"));
  EXPECT_THAT(
      message_of<UsageError>([&] { deletion(linear.map(at::rand({4, 5})), {.activation = Activation::softmax}); }),
      HasSubstr("no probability"));
  EXPECT_THAT(message_of<UsageError>([&] { parse_metric("deletoin"); }), HasSubstr("Did you mean \"deletion\"?"));
}

TEST(Deletion, StringsAndTypedCallsAreTheSame) {
  const Linear linear;
  const auto metric = parse_metric("deletion:steps=7,baseline=zero,lerf=true");
  EXPECT_EQ(metric->score(linear.map(linear.contributions)).value,
            deletion(linear.map(linear.contributions), {.steps = 7, .baseline = kZero, .lerf = true}).value);
  EXPECT_EQ(parse_metric(metric->canonical())->canonical(), metric->canonical());
  EXPECT_EQ(metric->direction(), Direction::higher);
  EXPECT_EQ(parse_metric("deletion")->direction(), Direction::lower);
}

}  // namespace
}  // namespace vitrail
