#include <vitrail/error.h>

#include <cmath>
#include <functional>
#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor apply(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

/// Where a function is defined and smooth enough for differences.
enum class Domain { all, positive, above_one, within_one };

struct Unary {
  std::string op;
  std::function<double(double)> function;
  bool differentiable = true;
  Domain domain = Domain::all;
};

/// Half-way values to the even integer.
double round_half_to_even(double x) {
  const double floor = std::floor(x);
  if (x - floor != 0.5) return std::floor(x + 0.5);
  return std::fmod(floor, 2) == 0 ? floor : floor + 1;
}

const std::vector<Unary> kUnary = {
    {"Abs", [](double x) { return x < 0 ? -x : x; }},
    {"Acos", [](double x) { return std::acos(x); }, true, Domain::within_one},
    {"Acosh", [](double x) { return std::acosh(x); }, true, Domain::above_one},
    {"Asin", [](double x) { return std::asin(x); }, true, Domain::within_one},
    {"Asinh", [](double x) { return std::asinh(x); }},
    {"Atan", [](double x) { return std::atan(x); }},
    {"Atanh", [](double x) { return std::atanh(x); }, true, Domain::within_one},
    {"Ceil", [](double x) { return std::ceil(x); }, false},
    {"Cos", [](double x) { return std::cos(x); }},
    {"Cosh", [](double x) { return std::cosh(x); }},
    {"Erf", [](double x) { return std::erf(x); }},
    {"Exp", [](double x) { return std::exp(x); }},
    {"Floor", [](double x) { return std::floor(x); }, false},
    {"Identity", [](double x) { return x; }},
    {"Log", [](double x) { return std::log(x); }, true, Domain::positive},
    {"Mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {"Neg", [](double x) { return -x; }},
    {"Reciprocal", [](double x) { return 1 / x; }, true, Domain::positive},
    {"Round", round_half_to_even, false},
    {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"Sign", [](double x) { return static_cast<double>((x > 0) - (x < 0)); }, false},
    {"Sin", [](double x) { return std::sin(x); }},
    {"Sinh", [](double x) { return std::sinh(x); }},
    {"Softplus", [](double x) { return std::log1p(std::exp(x)); }},
    {"Softsign", [](double x) { return x / (1 + std::abs(x)); }},
    {"Sqrt", [](double x) { return std::sqrt(x); }, true, Domain::positive},
    {"Tan", [](double x) { return std::tan(x); }, true, Domain::within_one},
    {"Tanh", [](double x) { return std::tanh(x); }},
};

std::vector<double> points_in(Domain domain) {
  switch (domain) {
    case Domain::positive:
      return {0.25, 0.5, 1, 2.5};
    case Domain::above_one:
      return {1, 1.5, 4};
    case Domain::within_one:
      return {-0.9, -0.5, 0, 0.25, 0.75};
    default:
      return {-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5};
  }
}

Tensor noise_in(Domain domain) {
  const Tensor x = noise({2, 3});
  switch (domain) {
    case Domain::positive:
      return x.abs() + 0.5;
    case Domain::above_one:
      return x.abs() + 1.5;
    case Domain::within_one:
      return x.tanh() * 0.9;
    default:
      return x;
  }
}

TEST(Unary, IsItsFunction) {
  for (const Unary& row : kUnary) {
    SCOPED_TRACE(row.op);
    const std::vector<double> points = points_in(row.domain);
    std::vector<double> expected;
    for (double x : points) expected.push_back(row.function(x));
    const Ints shape{static_cast<int64_t>(points.size())};
    const Tensor y = apply(row.op, {float_tensor(points, shape)});
    EXPECT_EQ(y.scalar_type(), at::kFloat);
    expect_values(y, expected, shape);
  }
}

TEST(Unary, HasTheRightDerivativesAndSaysWhereThereAreNone) {
  for (const Unary& row : kUnary) {
    SCOPED_TRACE(row.op);
    const Tensor x = noise_in(row.domain);
    EXPECT_EQ(OperatorCase({row.op, {}, {x}}).make()->differentiable(), row.differentiable);
    if (row.differentiable) expect_derivatives({row.op, {}, {x}});
  }
}

TEST(Softplus, IsTheIdentityWhereTheExponentialWouldOverflow) {
  expect_values(apply("Softplus", {float_tensor({-200, 60, 1000}, {3})}), {0, 60, 1000}, {3});
  expect_values(apply("Mish", {float_tensor({-200, 60, 1000}, {3})}), {0, 60, 1000}, {3});
}

TEST(IsInf, LooksInTheDirectionsAskedFor) {
  const Tensor x = float_tensor({-INFINITY, INFINITY, std::nan(""), 1}, {4});
  expect_values(apply("IsInf", {x}), {1, 1, 0, 0}, {4});
  expect_values(apply("IsInf", {x}, {{"detect_negative", int64_t{0}}}), {0, 1, 0, 0}, {4});
  expect_values(apply("IsInf", {x}, {{"detect_positive", int64_t{0}}}), {1, 0, 0, 0}, {4});
  expect_values(apply("IsNaN", {x}), {0, 0, 1, 0}, {4});
}

TEST(Bitwise, WorksOnTheBitsOfEveryIntegerType) {
  for (at::ScalarType type : {at::kByte, at::kInt, at::kLong, at::kUInt16, at::kUInt32}) {
    const Tensor a = int_tensor({12}).to(type), b = int_tensor({10}).to(type);
    expect_values(apply("BitwiseAnd", {a, b}), {8}, {1});
    expect_values(apply("BitwiseOr", {a, b}), {14}, {1});
    const Tensor either = apply("BitwiseXor", {a, b});
    expect_values(either, {6}, {1});
    EXPECT_EQ(either.scalar_type(), type);
  }
  expect_values(apply("BitwiseNot", {int_tensor({5}).to(at::kByte)}), {250}, {1});
  expect_values(apply("BitwiseNot", {int_tensor({0}).to(at::kUInt16)}), {65535}, {1});
}

TEST(BitShift, LosesWhatLeavesTheType) {
  const NamedAttributes left{{"direction", std::string("LEFT")}}, right{{"direction", std::string("RIGHT")}};
  const Tensor x = int_tensor({200, 1, 3}).to(at::kByte), by = int_tensor({1, 8, 200}).to(at::kByte);
  expect_values(apply("BitShift", {x, by}, left), {144, 0, 0}, {3});
  expect_values(apply("BitShift", {x, by}, right), {100, 0, 0}, {3});
  EXPECT_THROW(apply("BitShift", {x, by}), ModelError);
  EXPECT_THROW(apply("BitShift", {x}, left), ModelError);
}

TEST(Arithmetic, BroadcastsBothOperands) {
  const Tensor column = float_tensor({1, 2}, {2, 1}), line = float_tensor({10, 20, 30}, {3});
  expect_values(apply("Add", {column, line}), {11, 21, 31, 12, 22, 32}, {2, 3});
  expect_values(apply("Sub", {column, line}), {-9, -19, -29, -8, -18, -28}, {2, 3});
  expect_values(apply("Mul", {column, line}), {10, 20, 30, 20, 40, 60}, {2, 3});
  expect_values(apply("Div", {line, column}), {10, 20, 30, 5, 10, 15}, {2, 3});
}

TEST(Arithmetic, OfWideUnsignedIntegersKeepsTheirType) {
  for (at::ScalarType type : {at::kUInt16, at::kUInt32, at::kUInt64}) {
    const Tensor sum = apply("Add", {int_tensor({60000, 1}).to(type), int_tensor({5000, 2}).to(type)});
    EXPECT_EQ(sum.scalar_type(), type);
    EXPECT_EQ(sum[1].to(at::kLong).item<int64_t>(), 3);
  }
}

TEST(Div, OfIntegersTruncatesTowardZero) {
  const Tensor y = apply("Div", {int_tensor({-7, 7, -7, 7, -8}), int_tensor({2, 2, -2, -2, -1})});
  EXPECT_EQ(y.scalar_type(), at::kLong);
  expect_values(y, {-3, 3, 3, -3, 8}, {5});
  const Tensor bytes = apply("Div", {int_tensor({255, 254}).to(at::kByte), int_tensor({255, 4}).to(at::kByte)});
  EXPECT_EQ(bytes.scalar_type(), at::kByte);
  expect_values(bytes, {1, 63}, {2});
}

template <typename T>
void expect_smallest_by_minus_one_wraps(at::ScalarType type) {
  const auto smallest = static_cast<int64_t>(std::numeric_limits<T>::min());
  const Tensor y = apply("Div", {int_tensor({smallest, 6}).to(type), int_tensor({-1}).to(type)});
  EXPECT_EQ(y.scalar_type(), type);
  EXPECT_EQ(y[0].to(at::kLong).template item<int64_t>(), smallest);
  EXPECT_EQ(y[1].to(at::kLong).template item<int64_t>(), -6);
}

TEST(Div, OfTheSmallestIntegerByMinusOneWrapsAndDoesNotEndTheProgram) {
  expect_smallest_by_minus_one_wraps<int8_t>(at::kChar);
  expect_smallest_by_minus_one_wraps<int16_t>(at::kShort);
  expect_smallest_by_minus_one_wraps<int32_t>(at::kInt);
  expect_smallest_by_minus_one_wraps<int64_t>(at::kLong);
}

TEST(Pow, HasTheTypeOfItsBase) {
  const Tensor integers = apply("Pow", {int_tensor({1, 2, 9}), float_tensor({3, 3, 0.5}, {3})});
  EXPECT_EQ(integers.scalar_type(), at::kLong);
  expect_values(integers, {1, 8, 3}, {3});
  const Tensor floats = apply("Pow", {float_tensor({-2, 0, 3}, {3}), int_tensor({3, 0, 2})});
  EXPECT_EQ(floats.scalar_type(), at::kFloat);
  expect_values(floats, {-8, 1, 9}, {3});
  EXPECT_EQ(apply("Pow", {float_tensor({2}, {1}), noise({1})}).scalar_type(), at::kFloat);
}

TEST(Pow, ByOneNumberBroadcastsTheShapeOfTheExponentToo) {
  expect_values(apply("Pow", {float_tensor({3}, {1}), float_tensor({2}, {1, 1})}), {9}, {1, 1});
}

TEST(Mod, HasTheSignOfTheDivisorOrWithFmodOfTheDividend) {
  const Tensor a = int_tensor({-4, 7, 5, 4, -7, 8}), b = int_tensor({2, -3, 8, -2, 3, 5});
  const NamedAttributes fmod{{"fmod", int64_t{1}}};
  expect_values(apply("Mod", {a, b}), {0, -2, 5, 0, 2, 3}, {6});
  expect_values(apply("Mod", {a, b}, fmod), {0, 1, 5, 0, -1, 3}, {6});
  expect_values(apply("Mod", {float_tensor({-4.3, 7.2}, {2}), float_tensor({2.1, -3.4}, {2})}, fmod), {-0.1, 0.4}, {2});
}

TEST(Variadic, FoldsAnyNumberOfInputs) {
  const Tensor a = float_tensor({1, 8}, {2}), b = float_tensor({4}, {1}), c = float_tensor({7, 0}, {2, 1});
  expect_values(apply("Max", {a, b, c}), {7, 8, 4, 8}, {2, 2});
  expect_values(apply("Min", {a, b, c}), {1, 4, 0, 0}, {2, 2});
  expect_values(apply("Sum", {a, b, c}), {12, 19, 5, 12}, {2, 2});
  expect_values(apply("Mean", {a, b, c}), {4, 19.0 / 3, 5.0 / 3, 4}, {2, 2});
  for (const std::string op : {"Max", "Min", "Sum", "Mean"}) expect_values(apply(op, {a}), {1, 8}, {2});
}

TEST(Variadic, ExtremesLetNaNThrough) {
  const Tensor nan = float_tensor({std::nan("")}, {1}), one = float_tensor({1}, {1});
  for (const std::string op : {"Max", "Min"}) {
    EXPECT_TRUE(std::isnan(apply(op, {nan, one}).item<double>()));
    EXPECT_TRUE(std::isnan(apply(op, {one, nan}).item<double>()));
  }
}

TEST(Elementwise, HasTheRightDerivatives) {
  const Tensor a = noise({2, 3}), b = noise({3}), positive = noise({2, 3}).abs() + 0.5;
  for (const std::string op : {"Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"}) expect_derivatives({op, {}, {a, b}});
  expect_derivatives({"Div", {}, {a, b.abs() + 0.5}});
  expect_derivatives({"Pow", {}, {positive, b}});
  expect_derivatives({"Pow", {}, {a, int_tensor({3})}});
  expect_derivatives({"Pow", {}, {a, float_tensor({2}, {})}, 1, true, {1}});
  expect_derivatives({"Sum", {}, {a, b, noise({2, 1})}});
  // Away from the steps of the quotient both remainders are linear.
  const Tensor dividend = float_tensor({5.3, -4.6, 2.2}, {3}).to(at::kDouble);
  const Tensor divisor = float_tensor({2.1, 1.7, -0.9}, {3}).to(at::kDouble);
  for (int64_t fmod : {0, 1}) expect_derivatives({"Mod", {{"fmod", fmod}}, {dividend, divisor}});
}

}  // namespace
}  // namespace vitrail
