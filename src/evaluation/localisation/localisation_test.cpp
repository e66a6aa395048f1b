#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/auc.h>
#include <vitrail/energy_pointing_game.h>
#include <vitrail/iou.h>
#include <vitrail/pointing_game.h>
#include <vitrail/tensor.h>
#include <vitrail/top_k.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

/// Of an image of 2 x 5 pixels.
Tensor plane(const std::vector<float>& values) { return at::tensor(values).view({2, 5}); }
Tensor region(const std::vector<float>& values) { return plane(values) > 0; }

const std::vector<float> kTruth = {1, 1, 0, 0, 0, 1, 0, 0, 0, 0};

MetricCase with(const std::vector<float>& map, const std::vector<float>& truth = kTruth) {
  return {.map = plane(map), .truth = region(truth)};
}

std::vector<std::string> names_of_the_family() {
  std::vector<std::string> names;
  for (const MetricInfo& info : metrics())
    if (info.family == "localisation") names.push_back(info.name);
  return names;
}

TEST(Localisation, TheIndicatorOfTheRegionIsPerfect) {
  for (const std::string& name : names_of_the_family()) {
    if (name == "top_k") continue;
    for (const int64_t rows : {1, 3, 9}) {  // 10, 30 and 90 % of the image
      MetricCase map{.map = at::zeros({10, 7}), .truth = at::zeros({10, 7}, at::kBool)};
      map.map.narrow(0, 0, rows).fill_(0.7);
      map.truth.narrow(0, 0, rows).fill_(true);
      const MetricScore score = parse_metric(name)->score(map);
      EXPECT_EQ(score.value, 1) << name;
      EXPECT_DOUBLE_EQ(score.parts.at("covered"), static_cast<double>(rows) / 10) << name;
    }
  }
}

TEST(Localisation, TheIndicatorOfTheOutsideIsTheWorst) {
  MetricCase map{.map = at::ones({10, 7}), .truth = at::zeros({10, 7}, at::kBool)};
  map.map.narrow(0, 0, 3).fill_(0);
  map.truth.narrow(0, 0, 3).fill_(true);
  for (const std::string& name : names_of_the_family())
    EXPECT_EQ(parse_metric(name + (name == "top_k" ? ":k=49" : ""))->score(map).value, 0) << name;
}

TEST(Localisation, AbsTakesTheSizeOfTheRelevance) {
  const MetricCase map = with({-9, -8, 0, 0, 0, -7, 0, 0, 1, 0});
  for (const std::string& name : names_of_the_family()) {
    const std::string k = name == "top_k" ? ",k=3" : "";
    const double plain = parse_metric(name + ":abs=false" + k)->score(map).value;
    EXPECT_LT(plain, parse_metric(name + ":abs=true" + k)->score(map).value) << name;
  }
}

TEST(Localisation, ARegionThatIsEmptyHasNoValue) {
  for (const std::string& name : names_of_the_family()) {
    const MetricScore score = parse_metric(name)->score(with({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, std::vector<float>(10)));
    EXPECT_TRUE(std::isnan(score.value)) << name;
    EXPECT_THAT(score.undefined, HasSubstr("empty")) << name;
  }
}

TEST(Localisation, RefusesWhatIsNoRegionOfTheMap) {
  MetricCase map = with({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  map.truth = map.truth.to(at::kFloat);
  EXPECT_THAT(message_of<UsageError>([&] { pointing_game(map); }), HasSubstr("Float"));
  map.truth = at::ones({5, 2}, at::kBool);
  EXPECT_THAT(message_of<UsageError>([&] { auc(map); }), HasSubstr("[5,2]"));
  map.truth = Tensor();
  EXPECT_THAT(message_of<UsageError>([&] { iou(map); }), HasSubstr("needs the region"));
}

TEST(PointingGame, HitsWithinTheTolerance) {
  // T is the two left columns of the first row and the corner below; the maximum is at row 1, column 3.
  const MetricCase map = with({0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(pointing_game(map).value, 0);
  EXPECT_EQ(pointing_game(map, {.tolerance = 2}).value, 0);  // the nearest is sqrt(5) away
  EXPECT_EQ(pointing_game(map, {.tolerance = 3}).value, 1);
  EXPECT_DOUBLE_EQ(pointing_game(map).parts.at("covered"), 0.3);
}

TEST(PointingGame, OfEqualMaximaTheFirstOneCounts) {
  EXPECT_EQ(pointing_game(with({0, 2, 2, 0, 0, 0, 0, 0, 0, 0})).value, 1);
  EXPECT_EQ(pointing_game(with({0, 0, 2, 0, 0, 2, 0, 0, 0, 0})).value, 0);
  int hits = 0;
  for (uint64_t seed = 0; seed < 40; ++seed)
    hits += static_cast<int>(
        pointing_game(with({0, 0, 2, 0, 0, 2, 0, 0, 0, 0}), {.ties = Ties::random, .seed = seed}).value);
  EXPECT_GT(hits, 8);
  EXPECT_LT(hits, 32);
}

TEST(PointingGame, AConstantMapPointsNowhere) {
  EXPECT_THAT(pointing_game(with(std::vector<float>(10, 0.3f))).undefined, HasSubstr("constant"));
}

TEST(EnergyPointingGame, IsTheShareOfThePositiveRelevance) {
  const MetricScore score = energy_pointing_game(with({2, 1, 4, 0, -5, -3, 0, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(score.value, 3.0 / 8);
  EXPECT_DOUBLE_EQ(score.parts.at("over_chance"), 3.0 / 8 / 0.3);
  EXPECT_DOUBLE_EQ(energy_pointing_game(with({2, 1, 4, 0, -5, -3, 0, 1, 0, 0}), {.abs = true}).value, 6.0 / 16);
  EXPECT_NEAR(energy_pointing_game(with(std::vector<float>(10, 0.3f))).value, 0.3, 1e-12);
}

TEST(EnergyPointingGame, WithoutPositiveRelevanceThereIsNoShare) {
  const MetricScore score = energy_pointing_game(with({-1, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(std::isnan(score.value));
  EXPECT_THAT(score.undefined, HasSubstr("no positive relevance"));
}

TEST(EnergyPointingGame, IsFocusOnAMosaic) {
  // The target's class is shown on the diagonal.
  MetricCase map{.map = at::full({4, 6}, 1.0f), .truth = at::zeros({4, 6}, at::kBool)};
  for (const int64_t half : {0, 1}) {
    map.truth.narrow(0, 2 * half, 2).narrow(1, 3 * half, 3).fill_(true);
    map.map.narrow(0, 2 * half, 2).narrow(1, 3 * half, 3).fill_(3);
  }
  for (const char* name : {"focus", "relevance_mass", "rma", "attribution_localisation"})
    EXPECT_DOUBLE_EQ(parse_metric(name)->score(map).value, 0.75) << name;
}

TEST(RelevanceRank, CountsAsManyPixelsAsTheRegionHas) {
  EXPECT_DOUBLE_EQ(relevance_rank(with({9, 1, 8, 0, 0, 7, 0, 0, 0, 0})).value, 2.0 / 3);
  // Ties go by place: of the ones, that of column 1 comes before that of column 3.
  EXPECT_DOUBLE_EQ(relevance_rank(with({9, 1, 0, 1, 0, 7, 0, 0, 0, 0})).value, 1);
  EXPECT_DOUBLE_EQ(relevance_rank(with({9, 1, 1, 1, 0, 7, 0, 0, 0, 0}, {1, 0, 0, 1, 0, 1, 0, 0, 0, 0})).value, 2.0 / 3);
  EXPECT_THAT(relevance_rank(with(std::vector<float>(10))).undefined, HasSubstr("constant"));
}

TEST(TopK, CountsTheFirstPixels) {
  const MetricCase map = with({9, 1, 8, 0, 0, 7, 0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(top_k(map, {.k = 1}).value, 1);
  EXPECT_DOUBLE_EQ(top_k(map, {.k = 2}).value, 0.5);
  EXPECT_DOUBLE_EQ(top_k(map, {.k = 4}).value, 0.75);
  EXPECT_DOUBLE_EQ(top_k(map, {.k = 4}).parts.at("most"), 0.75);
  EXPECT_DOUBLE_EQ(top_k(map, {.k = 2}).parts.at("most"), 1);
  EXPECT_DOUBLE_EQ(top_k(map).value, 0.3);  // 1000 of 10 pixels are all of them
  EXPECT_THAT(message_of<UsageError>([&] { top_k(map, {.k = 0}); }), HasSubstr("k=0"));
}

TEST(Auc, IsTheShareOfPairsInOrder) {
  // Inside 9, 1, 7; outside 8, 1, 0, 0, 0, 0, 0: 7 + (5 + 1/2) + 6 of 21 pairs.
  EXPECT_DOUBLE_EQ(auc(with({9, 1, 8, 1, 0, 7, 0, 0, 0, 0})).value, 18.5 / 21);
  EXPECT_DOUBLE_EQ(auc(with(std::vector<float>(10, 2))).value, 0.5);
}

TEST(Auc, DependsOnTheOrderOnly) {
  MetricCase map{.map = at::rand({6, 7}), .truth = at::rand({6, 7}) > 0.5};
  const double value = auc(map).value;
  map.map = map.map.to(at::kDouble).exp() * 5 - 2;
  EXPECT_DOUBLE_EQ(auc(map).value, value);
  map.map = -map.map;
  EXPECT_DOUBLE_EQ(auc(map).value, 1 - value);
}

TEST(Auc, ARegionThatIsAllHasNoOutside) {
  EXPECT_THAT(auc(with({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, std::vector<float>(10, 1))).undefined, HasSubstr("no outside"));
}

TEST(Iou, CutsTheMapAtItsPercentile) {
  // Percentile 70 of 0..9 lies at 6.3: 7, 8 and 9 are selected, two of them in T.
  const MetricCase map = with({9, 7, 8, 0, 1, 2, 3, 4, 5, 6});
  EXPECT_DOUBLE_EQ(iou(map, {.percentile = 70}).value, 2.0 / 4);
  EXPECT_DOUBLE_EQ(dice(map, {.percentile = 70}).value, 4.0 / 6);
  EXPECT_DOUBLE_EQ(iou(map, {.percentile = 70}).parts.at("selected"), 0.3);
  // Percentile 100 leaves the maximum, percentile 0 all but the minimum.
  EXPECT_DOUBLE_EQ(iou(map, {.percentile = 100}).value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(dice(map, {.percentile = 0}).value, 6.0 / 12);
  // 90 by default: 8.1 of the sorted values.
  EXPECT_DOUBLE_EQ(iou(map).value, 1.0 / 3);
  EXPECT_THAT(message_of<UsageError>([&] { iou(map, {.percentile = 101}); }), HasSubstr("percentile=101"));
}

TEST(Iou, AConstantMapSelectsNothing) {
  for (const auto& metric : {iou, dice})
    EXPECT_THAT(metric(with(std::vector<float>(10, 2)), {}).undefined, HasSubstr("constant"));
}

TEST(Localisation, StringsAndTypedCallsAreTheSame) {
  const MetricCase map = with({9, 1, 8, 1, 0, 7, -3, 0, 0, 2});
  const auto value = [&](const std::string& text) {
    const auto metric = parse_metric(text);
    EXPECT_EQ(parse_metric(metric->canonical())->canonical(), metric->canonical());
    return metric->score(map).value;
  };
  EXPECT_EQ(value("pointing_game:tolerance=3"), pointing_game(map, {.tolerance = 3}).value);
  EXPECT_EQ(value("top_k:k=2,abs=true"), top_k(map, {.k = 2, .abs = true}).value);
  EXPECT_EQ(value("rra:abs=true"), relevance_rank(map, {.abs = true}).value);
  EXPECT_EQ(value("dice:percentile=50"), dice(map, {.percentile = 50}).value);
}

}  // namespace
}  // namespace vitrail
