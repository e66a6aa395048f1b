#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <vitrail/evaluate.h>
#include <vitrail/human_alignment.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

/// Of an image of 2 x 5 pixels.
Tensor plane(const std::vector<float>& values) { return at::tensor(values).view({2, 5}); }

TEST(HumanAlignment, TheMapOfPeopleAlignsWithItself) {
  const Tensor people = at::rand({20, 30});
  const MetricCase same{.map = people.exp() * 2, .human_map = people};
  EXPECT_NEAR(human_spearman(same).value, 1, 1e-12);
  EXPECT_EQ(human_iou(same).value, 1);
  EXPECT_EQ(human_dice(same).value, 1);
  const MetricCase opposite{.map = -people, .human_map = people};
  EXPECT_NEAR(human_spearman(opposite).value, -1, 1e-12);
  EXPECT_EQ(human_iou(opposite).value, 0);
  EXPECT_EQ(human_dice(opposite).value, 0);
  EXPECT_NEAR(human_spearman(opposite, {.abs = true}).value, 1, 1e-12);
  EXPECT_EQ(human_dice(opposite, {.abs = true}).value, 1);
}

TEST(HumanSpearman, EqualValuesTakeTheirMeanRank) {
  // Ranks 2.5, 2.5, 2.5, 2.5, 5 and 1 to 5, less 3: their products add up to 5, their squares to 5 and 10.
  const MetricCase map{.map = at::tensor({0.0f, 0.0f, 0.0f, 0.0f, 7.0f}).view({1, 5}),
                       .human_map = at::tensor({1.0f, 2.0f, 3.0f, 4.0f, 5.0f}).view({1, 5})};
  EXPECT_NEAR(human_spearman(map).value, 5 / std::sqrt(5.0 * 10), 1e-12);
}

TEST(HumanPartialSpearman, IsTheCorrelationOfWhatTheMiddleDoesNotExplain) {
  const Tensor map = at::tensor({3.0f, 1.0f, 4.0f, 5.0f, 2.0f, 6.0f, 9.0f}).view({1, 7}),
               people = at::tensor({1.0f, 2.0f, 6.0f, 4.0f, 5.0f, 3.0f, 7.0f}).view({1, 7}),
               centre = at::tensor({0.0f, 1.0f, 2.0f, 3.0f, 2.0f, 1.0f, 0.0f}).view({1, 7});
  const auto spearman = [](const Tensor& a, const Tensor& b) {
    return human_spearman({.map = a, .human_map = b}).value;
  };
  // Residuals of the regression of ranks on the centre's ranks: 1.5, 3.5, 5.5, 7, 5.5, 3.5, 1.5, less their mean.
  const Tensor c = at::tensor({-2.5, -0.5, 1.5, 3.0, 1.5, -0.5, -2.5}, at::kDouble);
  const auto residual = [&](const Tensor& m) {
    const Tensor ranks = m.flatten().to(at::kDouble).argsort().argsort().to(at::kDouble) - 3;
    return ranks - c * ((ranks * c).sum() / (c * c).sum());
  };
  const Tensor a = residual(map), b = residual(people);
  const double expected = ((a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()).item<double>();
  const MetricScore score = human_partial_spearman({.map = map, .human_map = people});
  EXPECT_NEAR(score.value, expected, 1e-12);
  EXPECT_NEAR(score.parts.at("spearman"), spearman(map, people), 1e-12);
  EXPECT_NEAR(score.parts.at("map_centre"), spearman(map, centre), 1e-12);
  EXPECT_NEAR(score.parts.at("people_centre"), spearman(people, centre), 1e-12);
  EXPECT_GT(std::abs(score.value - score.parts.at("spearman")), 0.05);
  EXPECT_NEAR(human_partial_spearman({.map = map, .human_map = map.exp()}).value, 1, 1e-12);
  EXPECT_NEAR(human_partial_spearman({.map = -map, .human_map = map}).value, -1, 1e-12);
  EXPECT_EQ(human_partial_spearman({.map = -map, .human_map = people}, {.abs = true}).value, score.value);
}

TEST(HumanPartialSpearman, OfTheMiddleAloneNothingIsLeft) {
  const Tensor centre = at::tensor({0.0f, 1.0f, 2.0f, 1.0f, 0.0f}).view({1, 5}),
               map = at::tensor({3.0f, 1.0f, 4.0f, 5.0f, 2.0f}).view({1, 5});
  EXPECT_THAT(human_partial_spearman({.map = centre.exp(), .human_map = map}).undefined, HasSubstr("the map orders"));
  EXPECT_THAT(human_partial_spearman({.map = map, .human_map = -centre}).undefined, HasSubstr("people orders"));
  const Tensor square = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2});
  EXPECT_THAT(human_partial_spearman({.map = square, .human_map = square}).undefined, HasSubstr("equally far"));
}

TEST(HumanIou, EachMapIsCutAtItsOwnPercentile) {
  // The three highest of each: columns 0, 1, 2 and 1, 2, 3 of the first row.
  const MetricCase map{.map = plane({9, 8, 7, 6, 5, 4, 3, 2, 1, 0}),
                       .human_map = plane({60, 90, 80, 70, 50, 40, 30, 20, 10, 0})};
  EXPECT_DOUBLE_EQ(human_iou(map, {.percentile = 70}).value, 2.0 / 4);
  EXPECT_DOUBLE_EQ(human_dice(map, {.percentile = 70}).value, 4.0 / 6);
  EXPECT_DOUBLE_EQ(human_iou(map).value, 0);  // 90: one pixel each
  // Of people who mark half of the image, that half.
  const MetricCase half{.map = plane({9, 8, 7, 6, 5, 4, 3, 2, 1, 0}),
                        .human_map = plane({1, 1, 1, 1, 1, 0, 0, 0, 0, 0})};
  EXPECT_DOUBLE_EQ(human_iou(half).value, 1.0 / 5);
}

TEST(HumanAlignment, AMapThatOrdersNothingHasNoValue) {
  const Tensor map = at::rand({2, 5}), constant = at::full({2, 5}, 0.3f);
  Tensor broken = at::rand({2, 5});
  broken[0][0] = std::numeric_limits<float>::infinity();
  for (const char* name : {"human_spearman", "human_partial_spearman", "human_iou", "human_dice"}) {
    const auto undefined = [&](const Tensor& ours, const Tensor& people) {
      const MetricScore score = parse_metric(name)->score({.map = ours, .human_map = people});
      EXPECT_TRUE(std::isnan(score.value)) << name;
      return score.undefined;
    };
    EXPECT_THAT(undefined(constant, map), HasSubstr("the map is constant")) << name;
    EXPECT_THAT(undefined(map, constant), HasSubstr("of people is constant")) << name;
    EXPECT_THAT(undefined(map, broken), HasSubstr("1 non-finite")) << name;
    EXPECT_THAT(message_of<UsageError>([&] { parse_metric(name)->score({.map = map}); }), HasSubstr("people look"));
  }
}

TEST(HumanAlignment, StringsAndTypedCallsAreTheSame) {
  const MetricCase map{.map = at::rand({2, 5}) - 0.5, .human_map = at::rand({2, 5})};
  const auto metric = parse_metric("human_dice:percentile=60,abs=true");
  EXPECT_EQ(metric->canonical(), "human_dice:abs=true,percentile=60");
  EXPECT_EQ(metric->score(map).value, human_dice(map, {.percentile = 60, .abs = true}).value);
  EXPECT_EQ(parse_metric("human_spearman")->score(map).value, human_spearman(map).value);
}

TEST(HumanCeiling, IsTheAgreementOfEachWithTheOthers) {
  const Tensor one = plane({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), mixed = plane({5, 0, 9, 1, 6, 3, 8, 2, 4, 7});
  const auto metric = parse_metric("human_spearman");
  EXPECT_NEAR(human_ceiling(*metric, at::stack({one, one * 2, one + 1})).value, 1, 1e-12);
  // Each with the mean of the others: of two, their correlation.
  const double pair = human_spearman({.map = one, .human_map = mixed}).value;
  EXPECT_NEAR(human_ceiling(*metric, at::stack({one, mixed})).value, pair, 1e-12);
  // Two who agree and one who differs. The first two see (one + mixed), the third 2 one; all count alike in a mean,
  // whatever their units.
  const double with_mean = human_spearman({.map = one, .human_map = one + mixed}).value;
  EXPECT_LT(with_mean, 0.99);
  EXPECT_NEAR(human_ceiling(*metric, at::stack({one, one, mixed * 255})).value, (2 * with_mean + pair) / 3, 1e-12);
  EXPECT_NEAR(human_ceiling(*parse_metric("human_iou:percentile=70"), at::stack({one, mixed})).value, 1.0 / 5, 1e-12);
}

TEST(HumanCeiling, HasSharesAndNamesakesAreToldApart) {
  const Methods methods = parse_methods("random");
  const Metrics metrics = parse_metrics("human_dice:percentile=80,human_dice,human_spearman");
  PhotoEvaluation photo{.methods = {{.scores = {{.value = 0.1}, {.value = 0.2}, {.value = -0.25}}}}};
  for (const auto& metric : metrics) photo.ceilings[metric->canonical()] = 0.5;
  const Evaluation evaluation = summarise({photo}, methods, metrics);
  const std::string table = evaluation.table();
  for (const char* line :
       {"\nhuman_dice:percentile=80 between people: 0.5, 1 photo\n",
        "\nhuman_dice:percentile=90 between people: 0.5, 1 photo\n", "\nhuman_spearman between people: 0.5, 1 photo\n"})
    EXPECT_THAT(table, HasSubstr(line));
  EXPECT_THAT(table, HasSubstr("of ceiling"));
  EXPECT_DOUBLE_EQ(evaluation.rows[0].ceiling_share, 0.2);
  EXPECT_DOUBLE_EQ(evaluation.rows[1].ceiling_share, 0.4);
  EXPECT_DOUBLE_EQ(evaluation.rows[2].ceiling_share, -0.5);
  photo.ceilings.begin()->second = -0.1;  // people who contradict each other: no share of that
  EXPECT_TRUE(std::isnan(summarise({photo}, methods, metrics).rows[0].ceiling_share));
}

TEST(HumanCeiling, WhoSaysNothingIsLeftOut) {
  const Tensor one = plane({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), nothing = at::full({2, 5}, 0.3f);
  const auto metric = parse_metric("human_spearman");
  EXPECT_NEAR(human_ceiling(*metric, at::stack({one, nothing, one * 3})).value, 1, 1e-12);
  const MetricScore alone = human_ceiling(*metric, at::stack({one, nothing}));
  EXPECT_TRUE(std::isnan(alone.value));
  EXPECT_THAT(alone.undefined, HasSubstr("constant"));
  EXPECT_THAT(message_of<UsageError>([&] { human_ceiling(*metric, one.unsqueeze(0)); }), HasSubstr("K = 1"));
  EXPECT_THAT(message_of<UsageError>([&] { human_ceiling(*parse_metric("deletion"), at::stack({one, one})); }),
              HasSubstr("deletion is not"));
}

TEST(MeanHumanMap, CountsEveryoneAlike) {
  const Tensor one = at::tensor({1.0f, 1.0f, -1.0f, -1.0f}).view({2, 2}),
               two = at::tensor({1.0f, -1.0f, 1.0f, -1.0f}).view({2, 2});
  const Tensor mean = mean_human_map(at::stack({one * 100 + 7, two, at::full({2, 2}, 3.0f)}));
  EXPECT_TRUE(at::allclose(mean - mean.mean(), ((one + two) / 3).to(at::kDouble)));
  EXPECT_THAT(message_of<UsageError>([&] { mean_human_map(one); }), HasSubstr("2 axes"));
}

}  // namespace
}  // namespace vitrail
