#include <cmath>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor apply(const std::string& op, Tensors inputs) { return OperatorCase{op, {}, std::move(inputs)}.run()[0]; }

Tensor bools(Ints values) { return int_tensor(std::move(values)).to(at::kBool); }

TEST(Comparisons, OrderNumbersOfAnyType) {
  for (at::ScalarType type : {at::kFloat, at::kDouble, at::kInt, at::kLong, at::kByte, at::kUInt32}) {
    SCOPED_TRACE(at::toString(type));
    const Tensor a = int_tensor({1, 2, 3}).to(type), b = int_tensor({2}).to(type);
    EXPECT_EQ(apply("Less", {a, b}).scalar_type(), at::kBool);
    expect_values(apply("Less", {a, b}), {1, 0, 0}, {3});
    expect_values(apply("LessOrEqual", {a, b}), {1, 1, 0}, {3});
    expect_values(apply("Equal", {a, b}), {0, 1, 0}, {3});
    expect_values(apply("GreaterOrEqual", {a, b}), {0, 1, 1}, {3});
    expect_values(apply("Greater", {a, b}), {0, 0, 1}, {3});
  }
}

TEST(Comparisons, WithNaNAreFalse) {
  const Tensor nan = float_tensor({std::nan("")}, {1});
  for (const std::string op : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
    EXPECT_FALSE(apply(op, {nan, nan}).item<bool>()) << op;
}

TEST(Logic, FollowsItsTruthTables) {
  const Tensor a = bools({0, 1}).reshape({2, 1}), b = bools({0, 1});
  expect_values(apply("And", {a, b}), {0, 0, 0, 1}, {2, 2});
  expect_values(apply("Or", {a, b}), {0, 1, 1, 1}, {2, 2});
  expect_values(apply("Xor", {a, b}), {0, 1, 1, 0}, {2, 2});
  expect_values(apply("Not", {b}), {1, 0}, {2});
}

TEST(Logic, HasNoGradient) {
  for (const std::string op : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor"})
    EXPECT_FALSE(OperatorCase({op, {}, {bools({1}), bools({0})}}).make()->differentiable()) << op;
  EXPECT_FALSE(OperatorCase({"Not", {}, {bools({1})}}).make()->differentiable());
}

TEST(Where, BroadcastsAllThree) {
  const Tensor condition = bools({1, 0}).reshape({2, 1, 1}), x = float_tensor({1, 2}, {2, 1});
  expect_values(apply("Where", {condition, x, float_tensor({7, 8, 9}, {3})}), {1, 1, 1, 2, 2, 2, 7, 8, 9, 7, 8, 9},
                {2, 2, 3});
}

TEST(Where, KeepsWhatIsNotSelectedOutOfTheValueAndTheGradient) {
  const Tensor x = float_tensor({1, 2}, {2}).requires_grad_(), bad = float_tensor({std::nan(""), INFINITY}, {2});
  const Tensor y = apply("Where", {bools({1, 1}), x, bad});
  expect_values(y.detach(), {1, 2}, {2});
  expect_values(torch::autograd::grad({y.sum()}, {x})[0], {1, 1}, {2});
}

TEST(Where, HasTheRightDerivativesInBothBranches) {
  expect_derivatives({"Where", {}, {bools({1, 0, 1}), noise({2, 3}), noise({2, 1})}});
}

}  // namespace
}  // namespace vitrail
