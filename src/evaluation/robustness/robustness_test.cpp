#include <ATen/ops/arange.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/robustness.h>

#include <cmath>

#include "evaluation/nets_for_tests.h"
#include "evaluation/pixel_order.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSide = 6;

/// Two classes: the margin is m + <w, delta> and the least change of S is known.
struct TwoClasses {
  Tensor weight = at::randn({2, 3 * kSide * kSide}), bias = at::zeros({2});
  Tensor input = at::rand({3, kSide, kSide});
  Tensor phi = at::rand({kSide, kSide});
  Tensor difference, margin;
  int64_t top = 0;
  std::optional<Model> model;
  TwoClasses() {
    const Tensor logits = weight.matmul(input.flatten()) + bias;
    top = logits.argmax().item<int64_t>();
    difference = (weight[top] - weight[1 - top]).view({3, kSide, kSide});
    margin = logits[top] - logits[1 - top];
    model = linear_model(weight, bias, kSide);
  }
  MetricCase map() const {
    Target target;
    target.index = top;
    target.string = std::to_string(top);
    probe = model->probe({target});
    return {.scorer = probe.get(), .input = input, .map = phi, .model = &*model, .target = target};
  }
  /// The smallest change of the pixels in `mask` by theory.
  double least(const Tensor& mask, Norm norm) const {
    const Tensor inside = difference * mask.to(at::kFloat);
    const Tensor dual = norm == Norm::linf ? inside.abs().sum() : inside.norm();
    return (margin / dual).item<double>();
  }
  mutable std::unique_ptr<Probe> probe;
};

TEST(Robustness, OfALinearClassifierIsTheMarginOverTheDualNorm) {
  const TwoClasses two;
  const Tensor ranks = pixel_ranks(two.phi, Ties::index, 0), relevant = ranks < 18;
  for (const Norm norm : {Norm::l2, Norm::linf}) {
    const MetricScore score = robustness(two.map(), {.sizes = 1, .most = 0.5, .norm = norm});
    const double least = two.least(relevant, norm);
    EXPECT_GE(score.value, least * (1 - 1e-4)) << "an attack cannot beat the least change";
    EXPECT_LE(score.value, least * 1.06) << "the search ends within 5 %";
    const MetricScore others =
        robustness(two.map(), {.pixels = AttackedPixels::others, .sizes = 1, .most = 0.5, .norm = norm});
    EXPECT_GE(others.value, two.least(relevant.logical_not(), norm) * (1 - 1e-4));
  }
}

TEST(Robustness, SeedsRepeatAndDirectionsTurn) {
  const TwoClasses two;
  EXPECT_EQ(robustness(two.map()).value, robustness(two.map()).value);
  EXPECT_EQ(robustness(two.map(), {.sizes = 3}).curve_y.numel(), 3);
  EXPECT_EQ(robustness(two.map()).parts.at("verified_low"), 0);
  EXPECT_EQ(parse_metric("robustness:pixels=others")->direction(), Direction::higher);
}

TEST(Robustness, WhatCannotBeChangedIsUndefined) {
  TwoClasses two;
  two.bias[two.top] = 1e6;
  two.model = linear_model(two.weight, two.bias, kSide);
  const MetricScore score = robustness(two.map());
  EXPECT_TRUE(std::isnan(score.value));
  EXPECT_THAT(score.undefined, HasSubstr("no attack"));
}

}  // namespace
}  // namespace vitrail
