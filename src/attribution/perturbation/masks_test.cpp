#include "attribution/perturbation/masks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace vitrail {
namespace {

TEST(Cells, DivideEverySideEvenlyAndSymmetrically) {
  for (const auto& [side, grid] : {std::pair{224, 8}, {224, 7}, {10, 3}, {7, 7}, {29, 8}, {31, 4}, {5, 1}}) {
    const Tensor cell = cell_of_pixel(side, grid);
    const Tensor sizes = cell.bincount();
    EXPECT_EQ(sizes.numel(), grid);
    EXPECT_LE(sizes.max().item<int64_t>() - sizes.min().item<int64_t>(), 1);
    EXPECT_GE(cell.diff().min().item<int64_t>(), 0);
  }
  // No pixel centre lies on the border of two cells here, so the mirror image has mirrored cells.
  EXPECT_TRUE(at::equal(cell_of_pixel(29, 7), 6 - cell_of_pixel(29, 7).flip(0)));
  EXPECT_TRUE(at::equal(cell_of_pixel(6, 3), at::tensor({0, 0, 1, 1, 2, 2}, at::kLong)));
}

TEST(Cells, MoreThanPixelsAreRefused) { EXPECT_THROW(cell_of_pixel(7, 8), UsageError); }

TEST(RiseMasks, DependOnTheirNumberOnly) {
  const Tensor all = rise_masks(0, 10, {7, 0.5, 1}, 33, 40);
  EXPECT_EQ(all.sizes(), (std::vector<int64_t>{10, 1, 33, 40}));
  EXPECT_TRUE(at::equal(all, at::cat({rise_masks(0, 3, {7, 0.5, 1}, 33, 40), rise_masks(3, 7, {7, 0.5, 1}, 33, 40)})));
  EXPECT_FALSE(at::equal(all, rise_masks(0, 10, {7, 0.5, 2}, 33, 40)));
  EXPECT_FALSE(at::equal(all[0], all[1]));
}

// Bilinear weights sum to one, so the mean over masks is `keep` at every pixel, the border included.
TEST(RiseMasks, ShowEveryPixelEquallyOften) {
  constexpr int64_t count = 4000;
  for (const double keep : {0.2, 0.5}) {
    const Tensor masks = rise_masks(0, count, {4, keep, 3}, 16, 20);
    const double five_errors = 5 * std::sqrt(keep * (1 - keep) / count);
    EXPECT_LT((masks.mean(0) - keep).abs().max().item<double>(), five_errors);
    EXPECT_GE(masks.min().item<float>(), 0);
    EXPECT_LE(masks.max().item<float>(), 1);
  }
}

// The steepest column of an enlarged mask lies half way between two cell centres; where it falls modulo the
// cell of 8 pixels is the place of the cut. One place for a whole batch would leave one or two values.
TEST(RiseMasks, EachHasItsOwnShift) {
  const Tensor masks = rise_masks(0, 64, {4, 0.5, 1}, 32, 32);
  std::set<int64_t> steepest_columns;
  for (int64_t m = 0; m < 64; ++m)
    steepest_columns.insert(masks[m][0].diff(1, 1).abs().sum(0).argmax().item<int64_t>() % 8);
  EXPECT_GT(steepest_columns.size(), 4u);
}

TEST(ApplyMasks, BlendsWithTheBaseline) {
  const Tensor input = at::full({2, 1, 2}, 10.0F), baseline = at::tensor({2.F, 4.F}).view({2, 1, 1});
  const Tensor masks = at::tensor({1.F, 0.F, 0.25F, 0.5F}).view({2, 1, 1, 2});
  const Tensor expected = at::tensor({10.F, 2.F, 10.F, 4.F, 4.F, 6.F, 5.5F, 7.F}).view({2, 2, 1, 2});
  EXPECT_TRUE(at::equal(apply_masks(input, baseline, masks), expected));
}

TEST(ApplyMasks, HiddenNansDoNotLeak) {
  Tensor input = at::ones({1, 2, 2});
  input[0][0][0] = std::nanf("");
  input[0][1][1] = std::numeric_limits<float>::infinity();
  const Tensor masks = at::tensor({0.F, 0.5F, 1.F, 0.F}).view({1, 1, 2, 2});
  EXPECT_TRUE(
      at::equal(apply_masks(input, at::zeros({1, 1, 1}), masks), at::tensor({0.F, 0.5F, 1.F, 0.F}).view({1, 1, 2, 2})));
}

// Means over cells and pixels of many masks vary together as the exact moments say.
TEST(RiseMasks, HaveTheCovarianceTheySay) {
  constexpr int64_t count = 40000, side = 8, grid = 3;
  const double keep = 0.4;
  const Tensor masks = rise_masks(0, count, {grid, keep, 5}, side, side).squeeze(1).to(at::kDouble) - keep;
  const Tensor means = cell_means(masks, grid);
  const Tensor rows = rise_covariance(grid, side);
  for (const auto& [cy, cx, y, x] : std::vector<std::array<int64_t, 4>>{{0, 0, 0, 0}, {1, 2, 3, 5}, {2, 1, 7, 0}}) {
    const Tensor product = means.select(1, cy).select(1, cx) * masks.select(1, y).select(1, x);
    const double expected = keep * (1 - keep) * rows[cy][y].item<double>() * rows[cx][x].item<double>();
    EXPECT_NEAR(product.mean().item<double>(), expected, 5 * product.std().item<double>() / std::sqrt(count));
  }
}

}  // namespace
}  // namespace vitrail
