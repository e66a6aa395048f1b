#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "vitrail/graph.h"
#include "vitrail/output.h"

namespace vitrail {
namespace {

Tensor box(double x0, double y0, double x1, double y1) { return at::tensor({x0, y0, x1, y1}, at::kDouble); }

double iou(const Tensor& a, const Tensor& b) { return overlap(a, b).item<double>(); }

TEST(Overlap, IsIntersectionOverUnion) {
  EXPECT_DOUBLE_EQ(iou(box(0, 0, 4, 4), box(0, 0, 4, 4)), 1);
  EXPECT_DOUBLE_EQ(iou(box(0, 0, 4, 4), box(2, 0, 6, 4)), 8.0 / 24);
  EXPECT_DOUBLE_EQ(iou(box(0, 0, 4, 4), box(1, 1, 3, 3)), 4.0 / 16);
  EXPECT_DOUBLE_EQ(iou(box(0, 0, 4, 4), box(4, 0, 8, 4)), 0);
  EXPECT_DOUBLE_EQ(iou(box(0, 0, 4, 4), box(5, 5, 8, 8)), 0);
  EXPECT_DOUBLE_EQ(iou(box(1, 1, 1, 3), box(2, 2, 2, 2)), 0) << "empty boxes";
  EXPECT_DOUBLE_EQ(iou(box(3, 3, 1, 1), box(0, 0, 4, 4)), 0) << "a box turned inside out";
  const Tensor many =
      overlap(box(0, 0, 4, 4), at::tensor({0., 0., 4., 4., 2., 0., 6., 4.}, at::kDouble).reshape({2, 4}));
  EXPECT_EQ(many.sizes().vec(), (std::vector<int64_t>{2}));
  EXPECT_DOUBLE_EQ(many[1].item<double>(), 8.0 / 24);
}

TEST(Overlap, ValueIsTheSameWithAGradient) {
  const Tensor a = box(0.3, 0.7, 4.1, 4.9), b = box(2.2, 0.1, 6.5, 3.3);
  EXPECT_NEAR(iou(a, b.clone().requires_grad_(true)), iou(a, b), 1e-12);
}

TEST(Overlap, GradientIsThatOfFiniteDifferences) {
  const Tensor a = box(0, 0, 10, 8), b = box(2, 1, 13, 7);
  const Tensor x = b.clone().requires_grad_(true);
  const Tensor found = gradient({overlap(a, x)}, {x})[0];
  constexpr double kStep = 1e-5;
  for (int64_t i = 0; i < 4; ++i) {
    Tensor up = b.clone(), down = b.clone();
    up[i] += kStep;
    down[i] -= kStep;
    EXPECT_NEAR(found[i].item<double>(), (iou(a, up) - iou(a, down)) / (2 * kStep), 1e-5) << i;
  }
}

TEST(Overlap, OfABoxWithItselfHasNoSlopeWhateverRounding) {
  const Tensor a = box(20, 30, 60, 90);
  for (const double error : {0.0, 1e-5, -1e-5}) {
    const Tensor x = (a + at::tensor({error, -error, error, error}, at::kDouble)).requires_grad_(true);
    const Tensor found = gradient({overlap(a, x)}, {x})[0];
    // One side alone would be 1/40 a pixel.
    EXPECT_LT(found.abs().max().item<double>(), 1e-5) << error;
  }
}

ModelOutput output(const Tensor& boxes, const Tensor& scores, const Tensor& objectness = {}) {
  return {OutputKind::boxes, scores.unsqueeze(0), boxes.unsqueeze(0),
          objectness.defined() ? objectness.unsqueeze(0) : objectness};
}

TEST(Suppress, KeepsTheMostConfidentOfAClass) {
  const Tensor boxes =
      at::tensor({0.f, 0.f, 10.f, 10.f, 1.f, 0.f, 11.f, 10.f, 0.f, 1.f, 10.f, 11.f, 40.f, 40.f, 50.f, 50.f})
          .reshape({4, 4});
  const Tensor scores = at::tensor({.6f, .1f, .9f, .05f, .1f, .8f, .2f, .1f}).reshape({4, 2});
  const auto kept = suppress(output(boxes, scores));
  ASSERT_EQ(kept.size(), 2u) << "the second covers the first, the third is of another class, the last is below .25";
  EXPECT_EQ(kept[0].box, 1);
  EXPECT_EQ(kept[0].index, 0);
  EXPECT_FLOAT_EQ(static_cast<float>(kept[0].confidence), .9f);
  EXPECT_EQ(kept[0].x1, 11);
  EXPECT_EQ(kept[1].box, 2);
  EXPECT_EQ(kept[1].index, 1);
  EXPECT_EQ(suppress(output(boxes, scores), {.score_threshold = .1}).size(), 3u);
  EXPECT_EQ(suppress(output(boxes, scores), {.overlap_threshold = .95}).size(), 3u);
  EXPECT_EQ(suppress(output(boxes, scores), {.most = 1}).size(), 1u);
}

TEST(Suppress, ScoresAreObjectnessTimesClass) {
  const Tensor boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 20.f, 0.f, 30.f, 10.f}).reshape({2, 4});
  const auto kept = suppress(output(boxes, at::tensor({.9f, .6f}).reshape({2, 1}), at::tensor({.5f, 1.f})));
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].box, 1);
  EXPECT_NEAR(kept[1].confidence, .45, 1e-6);
}

TEST(Suppress, WhatIsNoNumberIsNoDetection) {
  const Tensor boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 20.f, 0.f, 30.f, 10.f}).reshape({2, 4});
  const auto kept = suppress(output(boxes, at::tensor({std::nanf(""), .6f}).reshape({2, 1})));
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].box, 1);
}

}  // namespace
}  // namespace vitrail
