#include "model/segmentation/zones.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "vitrail/graph.h"

namespace vitrail {
namespace {

/// One digit a cell.
Tensor drawn(const std::vector<std::string>& rows) {
  std::vector<int64_t> cells;
  for (const std::string& row : rows)
    for (const char c : row) cells.push_back(c - '0');
  return at::tensor(cells, at::kLong).reshape({static_cast<int64_t>(rows.size()), -1});
}

TEST(Zones, ClassOfACellIsItsLargestScore) {
  const Tensor scores = at::tensor({1.f, 0.f, -1.f, 5.f, 0.f, 2.f, -3.f, 4.f}).reshape({2, 2, 2});
  EXPECT_TRUE(at::equal(class_map(scores), drawn({"01", "00"})));
  EXPECT_TRUE(at::equal(class_map(scores.narrow(0, 0, 1)), at::tensor({0L, -1L, -1L, 0L}, at::kLong).reshape({2, 2})));
}

TEST(Zones, BlobsEndAtSidesNotAtCorners) {
  const Tensor map = drawn({"11022",  //
                            "01022",  //
                            "00100",  //
                            "10111"});
  EXPECT_TRUE(at::equal(connected_blob(map, 0, 0), drawn({"11000", "01000", "00000", "00000"}).to(at::kBool)));
  EXPECT_TRUE(at::equal(connected_blob(map, 2, 2), drawn({"00000", "00000", "00100", "00111"}).to(at::kBool)));
  EXPECT_TRUE(at::equal(connected_blob(map, 1, 4), drawn({"00011", "00011", "00000", "00000"}).to(at::kBool)));
  EXPECT_EQ(connected_blob(map, 3, 0).sum().item<int64_t>(), 1);
  EXPECT_EQ(connected_blob(drawn({"111", "111"}), 1, 1).sum().item<int64_t>(), 6);
}

TEST(Zones, Borders) {
  const Tensor zone = drawn({"00000", "01110", "01110", "01110", "00000"}).to(at::kBool);
  EXPECT_TRUE(at::equal(inner_border(zone), drawn({"00000", "01110", "01010", "01110", "00000"}).to(at::kBool)));
  EXPECT_TRUE(at::equal(outer_border(zone), drawn({"11111", "10001", "10001", "10001", "11111"}).to(at::kBool)));
  const Tensor edge = drawn({"110", "110"}).to(at::kBool);
  EXPECT_TRUE(at::equal(inner_border(edge), drawn({"010", "010"}).to(at::kBool))) << "the picture's edge is no border";
}

TEST(Zones, MaskColoursHaveSigns) {
  Image picture;
  picture.pixels = at::zeros({2, 4, 3}, at::kByte);
  const auto paint = [&](int64_t y, int64_t x, std::vector<int> rgb) {
    for (int64_t c = 0; c < 3; ++c) picture.pixels[y][x][c] = rgb[c];
  };
  paint(0, 0, {255, 255, 255});
  paint(0, 1, {0, 255, 0});
  paint(0, 2, {255, 0, 0});
  paint(1, 0, {51, 51, 51});
  paint(1, 1, {0, 0, 255});
  const Tensor all = signed_mask(picture, {0, 0, 4, 2}, 2, 4);
  EXPECT_TRUE(at::allclose(all, at::tensor({1.f, 1.f, -1.f, 0.f, .2f, 0.f, 0.f, 0.f}).reshape({2, 4})));
  EXPECT_TRUE(at::allclose(signed_mask(picture, {0, 0, 4, 2}, 1, 2), at::tensor({.55f, -.25f}).reshape({1, 2})));
  EXPECT_TRUE(at::allclose(signed_mask(picture, {1, 0, 3, 1}, 1, 2), at::tensor({1.f, -1.f}).reshape({1, 2})))
      << "only what the model sees";
}

TEST(Zones, ScoreIsTheMeanOverTheMask) {
  const ModelOutput output{OutputKind::segmentation,
                           at::tensor({1., 2., 3., 4., 10., 20., 30., 40.}, at::kDouble).reshape({1, 2, 2, 2}),
                           {},
                           {}};
  const Tensor mask = at::tensor({1.f, 0.f, -1.f, .5f}).reshape({2, 2});
  EXPECT_NEAR(ZoneTarget(mask, 1).score(output).item<double>(), (10 - 30 + .5 * 40) / 3, 1e-6);
  EXPECT_NEAR(ZoneTarget(mask.gt(0).to(at::kFloat), 0).score(output).item<double>(), (1 + 4) / 2.0, 1e-6);
  const Tensor x = output.scores.clone().requires_grad_(true);
  const Tensor found = gradient({ZoneTarget(mask, 1).score({OutputKind::segmentation, x, {}, {}})}, {x})[0];
  EXPECT_TRUE(at::allclose(
      found, at::tensor({0., 0., 0., 0., 1. / 3, 0., -1. / 3, .5 / 3}, at::kDouble).reshape({1, 2, 2, 2})));
}

TEST(Zones, WhatIsNoNumberOutsideStaysThere) {
  const Tensor scores = at::tensor({1.f, std::nanf(""), 3.f, 4.f}).reshape({1, 1, 2, 2});
  const Tensor mask = at::tensor({1.f, 0.f, 0.f, 1.f}).reshape({2, 2});
  EXPECT_FLOAT_EQ(ZoneTarget(mask, 0).score({OutputKind::segmentation, scores, {}, {}}).item<float>(), 2.5f);
}

}  // namespace
}  // namespace vitrail
