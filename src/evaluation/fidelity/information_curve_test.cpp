#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/information_curve.h>

#include <atomic>
#include <vector>

#include "evaluation/fidelity/interpolate.h"
#include "evaluation/nets_for_tests.h"

namespace vitrail {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr int64_t kSide = 32;

std::vector<double> numbers(const Tensor& values) {
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

TEST(Interpolate, FollowsThePoints) {
  EXPECT_THAT(numbers(interpolate({{1, 1}, {0, 0}}, 4)),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_THAT(numbers(interpolate({{0.5, 1}, {0, 0}, {1, 1}}, 4)),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0, 0.5, 1, 1, 1}));
  // A jump at .5, from 0 to 1: the last point there is the height.
  EXPECT_THAT(numbers(interpolate({{0.5, 0}, {0.5, 1}, {0, 0}, {1, 1}}, 4)),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0, 0, 1, 1, 1}));
}

/// Dark noise with one white pixel, by which everything is decided.
struct NoisePhoto {
  Tensor pixels = (at::rand({3, kSide, kSide}) * 100).round();
  Tensor map = at::rand({kSide, kSide});
  NoisePhoto() {
    pixels.select(1, 5).select(1, 7).fill_(255);
    map[5][7] = 2;
  }
};

Tensor at_pixel(const Tensor& x, int64_t row, int64_t column) { return x.select(2, row).select(2, column).mean(1); }

/// 1 where the white pixel is white.
Tensor shows_white(const Tensor& x) { return (at_pixel(x, 5, 7) > 200).to(at::kDouble).unsqueeze(1); }

TEST(InformationCurve, RisesWhenThePixelThatDecidesIsShown) {
  at::manual_seed(1);
  const NoisePhoto photo;
  const CallableScorer scorer(shows_white);
  MetricCase map{.scorer = &scorer, .input = photo.pixels, .map = photo.map};
  const MetricScore first = sic(map);
  EXPECT_EQ(first.curve_y.numel(), 101);
  EXPECT_EQ(first.curve_y[0].item<double>(), 0);
  // Shown with the first share, 5 pixels of 1024: a straight line to 1 at its information, and 1 from there on.
  const auto reached = (first.curve_y == 1).to(at::kLong).argmax().item<int64_t>();
  EXPECT_LT(reached, 40);
  EXPECT_NEAR(first.value, 1 - (static_cast<double>(reached) - 0.5) / 200, 0.006);
  EXPECT_EQ(first.forwards, 15);
  map.map = -photo.map;  // shown at the very end: a straight line from the last share, 75 % of the pixels
  const MetricScore last = sic(map);
  EXPECT_EQ(last.curve_y[60].item<double>(), 0);
  EXPECT_LT(last.value, 0.2);
  EXPECT_GT(last.value, 0);
  EXPECT_EQ(sic(map, {.points = 10}).curve_y.numel(), 11);
}

TEST(InformationCurve, NeverFallsUnlessAsked) {
  at::manual_seed(2);
  NoisePhoto photo;
  // From a half of the pixels on less is scored, until the whole photo shows.
  const CallableScorer scorer([&](const Tensor& x) {
    const Tensor same = (x - photo.pixels).abs().amax({1, 2, 3}) < 0.5,
                 shown = ((x - photo.pixels).abs().amax(1) < 0.5).to(at::kDouble).mean({1, 2});
    const Tensor half = (shown > 0.3).logical_and(same.logical_not()).to(at::kDouble);
    return shows_white(x) - 0.5 * half.unsqueeze(1);
  });
  const MetricCase map{.scorer = &scorer, .input = photo.pixels, .map = photo.map};
  const MetricScore monotone = sic(map), free = sic(map, {.monotone = false});
  EXPECT_EQ(monotone.curve_y.narrow(0, 50, 51).min().item<double>(), 1);
  EXPECT_NEAR(free.curve_y.narrow(0, 50, 51).min().item<double>(), 0.5, 1e-6);
}

TEST(InformationCurve, OfAccuracyIsOneWhereTheClassWins) {
  at::manual_seed(3);
  const NoisePhoto photo;
  Tensor weight = at::zeros({2, 3, kSide, kSide});
  weight[0].select(1, 5).select(1, 7).fill_(1.0f / 3);
  const Model model = linear_model(weight.view({2, -1}), at::tensor({0.0f, 200.0f}), kSide);
  Target target;
  target.index = 0;
  const auto probe = model.probe({target});
  MetricCase map{.scorer = probe.get(), .input = photo.pixels, .map = photo.map, .model = &model, .target = target};
  EXPECT_GT(aic(map).value, 0.8);
  map.map = -photo.map;
  EXPECT_LT(aic(map).value, 0.2);
  map.target.index = 1;
  EXPECT_THAT(aic(map).undefined, HasSubstr("`minimum`")) << "another class wins";
  map.target.index = -1;
  EXPECT_THAT(aic(map).undefined, HasSubstr("not one of several classes"));
}

TEST(InformationCurve, WithoutAContrastThereIsNone) {
  at::manual_seed(4);
  const NoisePhoto photo;
  const CallableScorer scorer(shows_white), always([](const Tensor& x) { return at::ones({x.size(0), 1}); });
  MetricCase map{.scorer = &scorer, .input = photo.pixels, .map = photo.map};
  EXPECT_THAT(sic(map, {.minimum = 1.5}).undefined, HasSubstr("`minimum`"));
  map.scorer = &always;
  EXPECT_THAT(sic(map).undefined, HasSubstr("as high a score"));
  map.input = at::full({3, kSide, kSide}, 90.0f);
  EXPECT_THAT(sic(map).undefined, HasSubstr("as many bytes"));
  map.input = at::rand({2, kSide, kSide});
  EXPECT_THAT(sic(map).undefined, HasSubstr("2 channels"));
  map.input = photo.pixels;
  map.map = at::ones({kSide, kSide});
  EXPECT_THAT(sic(map).undefined, HasSubstr("constant"));
}

TEST(InformationCurve, BatchesChangeNothingAndRandomPixelsDo) {
  at::manual_seed(5);
  const NoisePhoto photo;
  const CallableScorer scorer(
      [&](const Tensor& x) { return 1 - (x - photo.pixels).abs().flatten(1).mean(1, true) / 100; });
  MetricCase map{.scorer = &scorer, .input = photo.pixels, .map = photo.map};
  const double value = sic(map).value;
  EXPECT_NE(sic(map, {.seed = 1}).value, value);
  EXPECT_NE(sic(map, {.known = 0.3}).value, value);
  map.execution.batch = 3;
  EXPECT_NEAR(sic(map).value, value, 1e-9);
  const std::atomic<bool> cancelled = true;
  map.execution.cancelled = &cancelled;
  EXPECT_THROW(sic(map), CancelledError);
}

}  // namespace
}  // namespace vitrail
