#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <vitrail/error.h>

#include <cstdlib>

#include "guarded_tensors.h"
#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor ramp(Ints shape) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  return at::arange(n, at::kFloat).reshape(shape);
}

Tensor convolve(const Tensor& x, const Tensor& w, NamedAttributes attributes) {
  return OperatorCase{"Conv", std::move(attributes), {x, w}}.run()[0];
}

TEST(Conv, PadsAutomaticallyAtTheEndForSameUpperAndAtTheBeginningForSameLower) {
  // in 4, kernel 3, stride 2: out 2, one cell of padding in all.
  const Tensor x = float_tensor({1, 2, 3, 4}, {1, 1, 4}), w = float_tensor({1, 10, 100}, {1, 1, 3});
  const Ints two{2};
  expect_values(convolve(x, w, {{"strides", two}, {"auto_pad", std::string("SAME_UPPER")}}), {321, 43}, {1, 1, 2});
  expect_values(convolve(x, w, {{"strides", two}, {"auto_pad", std::string("SAME_LOWER")}}), {210, 432}, {1, 1, 2});
  expect_values(convolve(x, w, {{"strides", two}, {"auto_pad", std::string("VALID")}}), {321}, {1, 1, 1});
}

TEST(Conv, PadsEachSideAsTold) {
  const Tensor x = float_tensor({1, 2, 3}, {1, 1, 3}), w = float_tensor({1, 10}, {1, 1, 2});
  expect_values(convolve(x, w, {{"pads", Ints{0, 2}}}), {21, 32, 3, 0}, {1, 1, 4});
  expect_values(convolve(x, w, {{"pads", Ints{1, 0}}}), {10, 21, 32}, {1, 1, 3});
}

TEST(Conv, DilatesAndGroups) {
  const Tensor x = float_tensor({1, 2, 3, 4, 5, 6}, {1, 2, 3}), w = float_tensor({1, 1, 1, -1}, {2, 1, 2});
  expect_values(convolve(x, w, {{"group", int64_t{2}}, {"dilations", Ints{2}}}), {4, -2}, {1, 2, 1});
}

// oneDNN's gradient of the weight wrote behind it here: caught by the page behind it, in a process of its own.
TEST(Conv, WithAPaddingAsLongAsTheInputStaysWithinItsOutput) {
  const auto run = [] {
    testing::GuardedTensors::use();
    const Tensor x = at::ones({2, 1, 22, 22}).requires_grad_(), w = at::ones({3, 1, 43, 3}).requires_grad_();
    const Tensor y = convolve(x, w, {{"pads", Ints{21, 1, 21, 1}}});
    const Tensor slope = torch::autograd::grad({y.sum()}, {w, x})[1];
    const bool right = y[0][0][5][5].item<float>() == 66 && slope[0][0][3][3].item<float>() == 198;
    std::exit(right ? 0 : 1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// In float32 the channels lie side by side while gradients are recorded: the same numbers, the same shapes.
TEST(Conv, HasTheSameGradientInEveryPrecisionAndOrder) {
  for (const int64_t group : {1, 2, 4}) {
    const Tensor x = (ramp({2, 4, 7, 6}) * 0.37).sin(), w = (ramp({8, 4 / group, 3, 2}) * 0.91).cos();
    const auto both = [&](at::ScalarType type) {
      const Tensor leaf = x.to(type).requires_grad_();
      const Tensor y =
          convolve(leaf, w.to(type), {{"group", group}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 1}}});
      return std::pair(y.detach(), torch::autograd::grad({y.square().sum()}, {leaf})[0]);
    };
    const auto [y, slope] = both(at::kFloat);
    const auto [exact_y, exact_slope] = both(at::kDouble);
    EXPECT_TRUE(y.to(at::kDouble).allclose(exact_y, 1e-5, 1e-5));
    EXPECT_TRUE(slope.to(at::kDouble).allclose(exact_slope, 1e-4, 1e-4));
    EXPECT_TRUE(y.allclose(convolve(x, w, {{"group", group}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 1}}}),
                           1e-5, 1e-5));
  }
}

TEST(Conv, RefusesWhatDoesNotFit) {
  const Tensor x = ramp({1, 2, 4}), w = ramp({2, 2, 3});
  EXPECT_THROW(convolve(x, ramp({2, 3, 3}), {}), ModelError);
  EXPECT_THROW(convolve(x, ramp({2, 2, 5}), {}), ModelError);
  EXPECT_THROW(convolve(x, w, {{"strides", Ints{1, 1}}}), ModelError);
  EXPECT_THROW(convolve(x, w, {{"strides", Ints{0}}}), ModelError);
  EXPECT_THROW(convolve(x, w, {{"auto_pad", std::string("SAME")}}), ModelError);
}

TEST(Convolution, RefusesNumbersThatOverflow) {
  const Tensor x = ramp({1, 2, 4}), w = ramp({2, 2, 3});
  for (const std::string name : {"strides", "dilations", "pads", "output_padding", "output_shape"}) {
    const NamedAttributes huge{{name, Ints(name == "pads" ? 2 : 1, INT64_MAX)}};
    EXPECT_THROW((OperatorCase{"ConvTranspose", huge, {x, w}}.run()), ModelError) << name;
    if (!name.starts_with("output")) {
      EXPECT_THROW(convolve(x, w, huge), ModelError) << name;
    }
  }
}

TEST(ConvTranspose, IsTheAdjointOfConv) {
  // <Conv(x), y> = <x, ConvTranspose(y)> for the same weight, also with unequal pads.
  const Tensor x = noise({1, 2, 7, 6}), w = noise({3, 2, 3, 2});
  const NamedAttributes attributes{{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 0, 1}}, {"dilations", Ints{1, 2}}};
  const Tensor forward = OperatorCase{"Conv", attributes, {x, w}}.run()[0];
  const Tensor y = noise(forward.sizes().vec());
  auto padded = attributes;
  padded.push_back({"output_padding", Ints{1, 0}});
  const Tensor back = OperatorCase{"ConvTranspose", padded, {y, w}}.run()[0];
  ASSERT_EQ(back.sizes(), x.sizes());
  EXPECT_NEAR((forward * y).sum().item<double>(), (x * back).sum().item<double>(), 1e-10);
}

TEST(ConvTranspose, ReachesTheWantedShape) {
  const Tensor x = float_tensor({1, 2}, {1, 1, 2}), w = float_tensor({1, 1, 1}, {1, 1, 3});
  const auto run = [&](NamedAttributes attributes) {
    attributes.push_back({"strides", Ints{2}});
    return OperatorCase{"ConvTranspose", attributes, {x, w, float_tensor({10}, {1})}}.run()[0];
  };
  expect_values(run({}), {11, 11, 13, 12, 12}, {1, 1, 5});
  // Two fewer: one from each side. One fewer: from the beginning, or from the end for SAME_UPPER.
  expect_values(run({{"output_shape", Ints{3}}}), {11, 13, 12}, {1, 1, 3});
  expect_values(run({{"output_shape", Ints{4}}}), {11, 13, 12, 12}, {1, 1, 4});
  expect_values(run({{"output_shape", Ints{4}}, {"auto_pad", std::string("SAME_UPPER")}}), {11, 11, 13, 12}, {1, 1, 4});
  // One more than there is: nothing but the bias.
  expect_values(run({{"output_shape", Ints{6}}}), {11, 11, 13, 12, 12, 10}, {1, 1, 6});
  expect_values(run({{"output_padding", Ints{1}}, {"pads", Ints{1, 0}}}), {11, 13, 12, 12, 10}, {1, 1, 5});
}

TEST(Convolution, HasTheRightDerivatives) {
  const Tensor x = noise({2, 2, 5, 4}), w = noise({2, 2, 3, 2}), b = noise({2});
  expect_derivatives({"Conv", {}, {x, w, b}});
  expect_derivatives({"Conv", {{"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 2}}}, {x, w}});
  expect_derivatives(
      {"Conv", {{"group", int64_t{2}}, {"auto_pad", std::string("SAME_UPPER")}}, {x, noise({4, 1, 3, 3})}});
  expect_derivatives({"Conv", {{"dilations", Ints{2}}}, {noise({1, 2, 6}), noise({2, 2, 3})}});
  expect_derivatives({"Conv", {}, {noise({1, 1, 3, 3, 3}), noise({1, 1, 2, 2, 2})}});
  expect_derivatives({"ConvTranspose", {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, {x, w, b}});
  expect_derivatives({"ConvTranspose", {{"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 0, 1}}}, {x, w, b}});
}

}  // namespace
}  // namespace vitrail
