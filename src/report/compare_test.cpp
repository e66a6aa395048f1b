#include "vitrail/compare.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

Explanation with_map(const Tensor& map) {
  Explanation e;
  e.method = "rise:masks=1000000";
  e.name = "rise";
  e.target.index = 1;
  e.unit = "logit";
  e.map = map.to(at::kFloat);
  return e;
}

Tensor row(const std::vector<float>& values) {
  return at::tensor(values).view({1, static_cast<int64_t>(values.size())});
}

TEST(CompareMaps, RanksTakeTheMeanOfTies) {
  // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: by hand, 4.5 / sqrt(4.5 * 5).
  const MapComparison c = compare_maps(with_map(row({0, 7, 7, 9})), with_map(row({1, 2, 30, 400})));
  EXPECT_NEAR(c.rank_correlation, 4.5 / std::sqrt(4.5 * 5), 1e-12);
  EXPECT_EQ(c.cells, 4);
}

TEST(CompareMaps, OrderIsAllThatRankCorrelationSees) {
  const Tensor map = at::arange(12.).view({3, 4});
  EXPECT_NEAR(compare_maps(with_map(map), with_map(map.exp())).rank_correlation, 1, 1e-12);
  EXPECT_NEAR(compare_maps(with_map(map), with_map(-map)).rank_correlation, -1, 1e-12);
  EXPECT_NEAR(compare_maps(with_map(map), with_map(3 * map + 1)).linear_correlation, 1, 1e-6);
  EXPECT_LT(compare_maps(with_map(map), with_map(map.exp())).linear_correlation, 0.9);
}

TEST(CompareMaps, TopIsTheShareOfCommonCells) {
  const Explanation a = with_map(row({9, 8, 7, 6, 0, 0, 0, 0})), b = with_map(row({9, 0, 7, 0, 8, 0, 0, 6}));
  const MapComparison half = compare_maps(a, b, {.top = 0.5});
  EXPECT_EQ(half.top, 4);
  EXPECT_DOUBLE_EQ(half.top_overlap, 0.5);
  const MapComparison one = compare_maps(a, b, {.top = 0.01});
  EXPECT_EQ(one.top, 1);
  EXPECT_DOUBLE_EQ(one.top_overlap, 1);
}

TEST(CompareMaps, AnIntervalIsStudentsOverBothErrors) {
  Explanation a = with_map(row({5, 1})), b = with_map(row({1, 1}));
  a.standard_error = row({0.3F, 0.3F});
  b.standard_error = row({0.4F, 0.4F});
  // Two cells, Bonferroni at .05: .025 each. Errors of .3 and .4 are .5 together; the methods took a million masks.
  const MapComparison c = compare_maps(a, b, {.correction = Correction::bonferroni});
  EXPECT_NEAR(c.half_width[0][0].item<double>(), 2.241402728 * 0.5, 1e-5);
  EXPECT_TRUE(c.significant[0][0].item<bool>());
  EXPECT_FALSE(c.significant[0][1].item<bool>());
  EXPECT_EQ(c.differing, 1);
  EXPECT_NEAR(c.largest_difference(), 4, 1e-6);
}

TEST(CompareMaps, FewReplicatesMakeWideIntervals) {
  Explanation a = with_map(row({5, 1})), b = with_map(row({1, 1}));
  a.method = "sobol:designs=8,replicates=4";
  a.standard_error = row({1, 1});
  // b is exact, so that the degrees of freedom are a's three: t(.025, 3) = 4.1765.
  const MapComparison c = compare_maps(a, b, {.correction = Correction::bonferroni});
  EXPECT_NEAR(c.half_width[0][0].item<double>(), 4.176534846, 1e-4);
  a.plan["replicates"] = "2";  // stopped early
  EXPECT_NEAR(compare_maps(a, b, {.correction = Correction::bonferroni}).half_width[0][0].item<double>(), 25.4517,
              1e-3);
}

TEST(CompareMaps, TheLevelIsThatOfTheTest) {
  Explanation a = with_map(row({2.5F, 0})), b = with_map(row({0, 0}));
  a.standard_error = row({1, 1});
  EXPECT_EQ(compare_maps(a, b, {.level = 0.05, .correction = Correction::bonferroni}).differing, 1);  // 2.24
  EXPECT_EQ(compare_maps(a, b, {.level = 0.01, .correction = Correction::bonferroni}).differing, 0);  // 2.81
}

/// P-values .01, .02, .03, .04, .9 by their normal quantiles: Benjamini and Hochberg at .05 takes four, Bonferroni one.
TEST(CompareMaps, TheFalseDiscoveryRateStepsUp) {
  Explanation a = with_map(row({2.575829F, 2.326348F, 2.170090F, 2.053749F, 0.125661F})),
              b = with_map(at::zeros({1, 5}));
  a.standard_error = at::ones({1, 5});
  EXPECT_EQ(compare_maps(a, b, {.level = 0.0501, .correction = Correction::fdr}).differing, 4);
  EXPECT_EQ(compare_maps(a, b, {.level = 0.0501, .correction = Correction::bonferroni}).differing, 1);
}

/// Of maps that differ by noise alone, the chance that any cell is called different is the level (both corrections
/// promise it then); 2000 repetitions, 16 cells.
TEST(CompareMaps, FalseAlarmsAreAsRareAsPromised) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(5);
  for (const Correction correction : {Correction::fdr, Correction::bonferroni}) {
    int alarms = 0;
    constexpr int repetitions = 2000;
    for (int i = 0; i < repetitions; ++i) {
      Explanation a = with_map(at::randn({4, 4}, random)), b = with_map(at::randn({4, 4}, random));
      a.standard_error = b.standard_error = at::ones({4, 4});
      alarms += compare_maps(a, b, {.level = 0.1, .correction = correction}).differing > 0;
    }
    EXPECT_NEAR(alarms / static_cast<double>(repetitions), 0.1, 0.025);
  }
}

TEST(CompareMaps, CellsAreTheMethodsOwnWhereBothHaveTheSameGrid) {
  Explanation a = with_map(at::randn({12, 12})), b = with_map(at::randn({12, 12}));
  a.cells = at::arange(9.).view({3, 3});
  b.cells = at::arange(9.).view({3, 3}) + 1;
  a.standard_error = at::ones({12, 12});
  const MapComparison c = compare_maps(a, b);
  EXPECT_EQ(c.cells, 9);
  EXPECT_NEAR(c.rank_correlation, 1, 1e-12);
  EXPECT_EQ(c.difference.sizes(), (at::IntArrayRef{3, 3}));
  EXPECT_EQ(c.half_width.sizes(), (at::IntArrayRef{3, 3}));
  b.cells = at::ones({2, 2});
  EXPECT_EQ(compare_maps(a, b).cells, 144);
}

TEST(CompareMaps, WhatCannotBeComparedIsSaid) {
  Explanation a = with_map(at::arange(4.).view({2, 2})), b = with_map(at::ones({2, 2}));
  MapComparison c = compare_maps(a, b);
  EXPECT_TRUE(std::isnan(c.rank_correlation));
  EXPECT_THAT(c.notes, Contains(HasSubstr("constant")));
  EXPECT_FALSE(c.half_width.defined()) << "no error is known";
  b = a;
  b.unit = "share of variance";
  b.is_signed = false;
  c = compare_maps(a, b);
  EXPECT_FALSE(c.difference.defined());
  EXPECT_THAT(c.notes, Contains(HasSubstr("units differ")));
  EXPECT_THAT(c.notes, Contains(HasSubstr("signed")));
  b = a;
  b.map = a.map.clone();
  b.map[0][0] = std::numeric_limits<float>::quiet_NaN();
  c = compare_maps(a, b);
  EXPECT_EQ(c.cells, 3);
  EXPECT_NEAR(c.rank_correlation, 1, 1e-12);
  EXPECT_THAT(c.notes, Contains(HasSubstr("left out")));
  b.map = at::ones({4, 4});
  EXPECT_THAT(compare_maps(a, b).notes, Contains(HasSubstr("different sizes")));
  b.map = Tensor();
  EXPECT_THROW(compare_maps(a, b), UsageError);
  EXPECT_THROW(compare_maps(a, a, {.level = 0}), UsageError);
  EXPECT_THROW(compare_maps(a, a, {.top = 1}), UsageError);
}

}  // namespace
}  // namespace vitrail
