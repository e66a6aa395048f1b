#include "model/detection/box_target.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "vitrail/graph.h"

namespace vitrail {
namespace {

/// One reference (0,0,10,10) of classes (.8,.6); three predicted boxes of one sample.
struct Case {
  Tensor reference = at::tensor({0., 0., 10., 10.}, at::kDouble).reshape({1, 4});
  Tensor classes = at::tensor({.8, .6}, at::kDouble).reshape({1, 2});
  ModelOutput output{OutputKind::boxes, at::tensor({.8, .6, 1., 0., 0., .5}, at::kDouble).reshape({1, 3, 2}),
                     at::tensor({5., 0., 15., 10., 0., 0., 10., 10., 0., 0., 10., 5.}, at::kDouble).reshape({1, 3, 4}),
                     at::tensor({.9, .5, .6}, at::kDouble).reshape({1, 3})};

  double score(BoxPart part) const { return BoxTarget(reference, classes, part).score(output).item<double>(); }
};

TEST(BoxTarget, IsTheLargestProductOfOverlapObjectnessAndSimilarity) {
  // overlap 1/3, 1, 1/2; objectness .9, .5, .6; cosine 1, .8, .6: products .3, .4, .18.
  const Case by_hand;
  EXPECT_NEAR(by_hand.score(BoxPart::all), .4, 1e-12);
  EXPECT_NEAR(by_hand.score(BoxPart::position), 1, 1e-12);
  EXPECT_NEAR(by_hand.score(BoxPart::confidence), .5, 1e-12);
  EXPECT_NEAR(by_hand.score(BoxPart::similarity), .8, 1e-12);
}

TEST(BoxTarget, TakesTheBestClassForObjectnessWhereThereIsNone) {
  Case by_hand;
  by_hand.output.objectness = Tensor();  // .8, 1, .5: products 1/3 * .8, .8, .5 * .5 * .6
  EXPECT_NEAR(by_hand.score(BoxPart::all), .8, 1e-12);
}

TEST(BoxTarget, OfOneClassNeedsNoSimilarity) {
  Case by_hand;
  by_hand.output.scores = by_hand.output.scores.narrow(2, 0, 1).clone().fill_(.3);
  by_hand.classes = at::tensor({.7}, at::kDouble).reshape({1, 1});
  EXPECT_NEAR(by_hand.score(BoxPart::all), .5, 1e-12);
  by_hand.classes = Tensor();
  EXPECT_NEAR(by_hand.score(BoxPart::all), .5, 1e-12);
}

TEST(BoxTarget, IsTheMeanOverReferences) {
  const Case by_hand;
  const Tensor two = at::tensor({0., 0., 10., 10., 100., 100., 110., 110.}, at::kDouble).reshape({2, 4});
  const BoxTarget target(two, by_hand.classes.repeat({2, 1}), BoxPart::all);
  EXPECT_NEAR(target.score(by_hand.output).item<double>(), .2, 1e-12) << "nothing overlaps the second";
}

TEST(BoxTarget, IsZeroWhereNothingIsPredicted) {
  Case by_hand;
  by_hand.output = {OutputKind::boxes, at::zeros({3, 0, 2}), at::zeros({3, 0, 4}), at::zeros({3, 0})};
  const Tensor scores = BoxTarget(by_hand.reference, by_hand.classes, BoxPart::all).score(by_hand.output);
  EXPECT_EQ(scores.sizes().vec(), (std::vector<int64_t>{3}));
  EXPECT_EQ(scores.abs().max().item<double>(), 0);
}

TEST(BoxTarget, SamplesDoNotSeeEachOther) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  const Tensor corner = at::rand({4, 6, 2}, generator) * 20, size = at::rand({4, 6, 2}, generator) * 20;
  const ModelOutput output{OutputKind::boxes, at::rand({4, 6, 3}, generator), at::cat({corner, corner + size}, 2), {}};
  const BoxTarget target(output.boxes[1].narrow(0, 2, 2), output.scores[1].narrow(0, 2, 2), BoxPart::all);
  const Tensor together = target.score(output);
  for (int64_t n = 0; n < 4; ++n)
    EXPECT_NEAR(together[n].item<double>(), target.score(output.sample(n)).item<double>(), 1e-6);
}

TEST(BoxTarget, GradientIsThatOfFiniteDifferences) {
  const Case by_hand;
  const BoxTarget target(by_hand.reference + at::tensor({1., -1., 2., 1.}, at::kDouble), by_hand.classes, BoxPart::all);
  const auto value = [&](const Tensor& packed) {
    ModelOutput output = by_hand.output;
    output.boxes = packed.narrow(2, 0, 4);
    output.objectness = packed.select(2, 4);
    output.scores = packed.narrow(2, 5, 2);
    return target.score(output);
  };
  const Tensor packed =
      at::cat({by_hand.output.boxes, by_hand.output.objectness.unsqueeze(2), by_hand.output.scores.clamp_min(.1)}, 2);
  const Tensor x = packed.clone().requires_grad_(true);
  const Tensor found = gradient({value(x)}, {x})[0];
  constexpr double kStep = 1e-5;
  for (int64_t b = 0; b < 3; ++b)
    for (int64_t i = 0; i < 7; ++i) {
      Tensor up = packed.clone(), down = packed.clone();
      up[0][b][i] += kStep;
      down[0][b][i] -= kStep;
      const double expected = ((value(up) - value(down)) / (2 * kStep)).item<double>();
      EXPECT_NEAR(found[0][b][i].item<double>(), expected, 1e-5) << b << ' ' << i;
    }
  EXPECT_GT(found.abs().max().item<double>(), .1);
}

TEST(PresenceTarget, IsTheLargestProbabilityOfTheClass) {
  const Case by_hand;
  EXPECT_NEAR(PresenceTarget(1).score(by_hand.output).item<double>(), .9 * .6, 1e-12);
  EXPECT_NEAR(PresenceTarget(0).score(by_hand.output).item<double>(), .9 * .8, 1e-12);
}

}  // namespace
}  // namespace vitrail
