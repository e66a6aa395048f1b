#include <ATen/ops/arange.h>
#include <ATen/ops/randint.h>
#include <torch/csrc/autograd/autograd.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensors run(const std::string& op, Tensors inputs, NamedAttributes attributes = {}, size_t outputs = 1) {
  return OperatorCase{op, std::move(attributes), std::move(inputs), outputs}.run();
}

Tensor bytes(Ints values) { return int_tensor(std::move(values)).to(at::kByte); }
Tensor scale(double value) { return float_tensor({value}, {}); }

TEST(QuantizeLinear, RoundsHalfToEvenAndStaysInTheRange) {
  const Tensor x = float_tensor({-1, 0.25, 0.75, 1.25, 500}, {5});
  const Tensor q = run("QuantizeLinear", {x, scale(0.5), bytes({1})[0]})[0];
  EXPECT_EQ(q.scalar_type(), at::kByte);
  expect_values(q, {0, 1, 3, 3, 255}, {5});
  const Tensor s = run("QuantizeLinear", {x, scale(0.5), int_tensor({-1}).to(at::kChar)[0]})[0];
  EXPECT_EQ(s.scalar_type(), at::kChar);
  expect_values(s, {-3, -1, 1, 1, 127}, {5});
  EXPECT_EQ(run("QuantizeLinear", {x, scale(1)})[0].scalar_type(), at::kByte);
  EXPECT_EQ(run("QuantizeLinear", {x, scale(1)}, {{"output_dtype", int64_t{4}}})[0].scalar_type(), at::kUInt16);
  EXPECT_THROW(run("QuantizeLinear", {x, scale(1), int_tensor({0})[0]}), ModelError);
}

TEST(Quantisation, SpreadsItsScaleByChannelOrBlock) {
  const Tensor x = float_tensor({2, 4, 6, 8}, {2, 2}), two = float_tensor({1, 2}, {2});
  expect_values(run("QuantizeLinear", {x, two})[0], {2, 2, 6, 4}, {2, 2});
  expect_values(run("QuantizeLinear", {x, two}, {{"axis", int64_t{0}}})[0], {2, 4, 3, 4}, {2, 2});
  const Tensor blocks = float_tensor({1, 2}, {1, 2});
  const NamedAttributes rows_of_two{{"axis", int64_t{0}}, {"block_size", int64_t{2}}};
  expect_values(run("QuantizeLinear", {x, blocks}, rows_of_two)[0], {2, 2, 6, 4}, {2, 2});
  EXPECT_THROW(run("QuantizeLinear", {x, float_tensor({1, 2, 3}, {3})}), ModelError);
}

TEST(DequantizeLinear, ComesBackWithinHalfAStep) {
  const Tensor x = noise({4, 5}).to(at::kFloat), zero = bytes({128})[0];
  const Tensor q = run("QuantizeLinear", {x, scale(0.05), zero})[0];
  const Tensor back = run("DequantizeLinear", {q, scale(0.05), zero})[0];
  EXPECT_EQ(back.scalar_type(), at::kFloat);
  EXPECT_LE(distance(back, x), 0.025 + 1e-6);
  EXPECT_EQ(distance(run("QuantizeDequantize", {x, scale(0.05), zero})[0], back), 0);
}

TEST(DynamicQuantizeLinear, SpansTheDataAndZero) {
  const Tensors out = run("DynamicQuantizeLinear", {float_tensor({-1, 0, 1.55}, {3})}, {}, 3);
  expect_values(out[1], {0.01}, {});
  expect_values(out[2], {100}, {});
  expect_values(out[0], {0, 100, 255}, {3});
  const Tensors zero = run("DynamicQuantizeLinear", {float_tensor({0, 0}, {2})}, {}, 3);
  expect_values(zero[0], {0, 0}, {2});
}

TEST(QuantizeDequantize, PassesTheGradientWhereNothingIsClamped) {
  Tensor x = float_tensor({-9, -0.3, 0.2, 1, 9}, {5}).requires_grad_();
  const Tensor y = run("QuantizeDequantize", {x, scale(0.02), int_tensor({0}).to(at::kChar)[0]})[0];
  const Tensor weights = float_tensor({1, 2, 3, 4, 5}, {5});
  expect_values(torch::autograd::grad({(y * weights).sum()}, {x})[0], {0, 2, 3, 4, 0}, {5});
  // What rounds to an end of the range is not clamped: half a step on either side of 0 and of 255.
  Tensor ends = float_tensor({-0.6, -0.4, 0.4, 254.6, 255.4, 255.6}, {6}).requires_grad_();
  const Tensor bytes_only = run("QuantizeDequantize", {ends, scale(1)})[0];
  expect_values(bytes_only, {0, 0, 0, 255, 255, 255}, {6});
  expect_values(torch::autograd::grad({bytes_only.sum()}, {ends})[0], {0, 1, 1, 1, 1, 0}, {6});
}

}  // namespace
}  // namespace vitrail
