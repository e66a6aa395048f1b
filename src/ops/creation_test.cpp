#include "ops/creation.h"

#include <vitrail/error.h>

#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor apply(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

// TensorProto.DataType
const int64_t kOnnxFloat = 1, kOnnxInt64 = 7, kOnnxString = 8, kOnnxBool = 9, kOnnxDouble = 11;

TEST(Cast, TruncatesTowardZeroAndIsTrueForAllButZero) {
  const Tensor x = float_tensor({-1.9, -0.5, 0, 0.5, 2.9}, {5});
  const Tensor integers = apply("Cast", {x}, {{"to", kOnnxInt64}});
  EXPECT_EQ(integers.scalar_type(), at::kLong);
  expect_values(integers, {-1, 0, 0, 0, 2}, {5});
  const Tensor flags = apply("Cast", {x}, {{"to", kOnnxBool}});
  EXPECT_EQ(flags.scalar_type(), at::kBool);
  expect_values(flags, {1, 1, 0, 1, 1}, {5});
  expect_values(apply("Cast", {flags}, {{"to", kOnnxFloat}}), {1, 1, 0, 1, 1}, {5});
}

TEST(Cast, RefusesWhatIsNoNumber) {
  EXPECT_THROW(apply("Cast", {noise({1})}, {{"to", kOnnxString}}), ModelError);
  EXPECT_THROW(apply("Cast", {noise({1})}), ModelError);
}

TEST(Cast, PassesGradientsBetweenFloatingTypesOnly) {
  const Tensor x = noise({3}).requires_grad_();
  const Tensor gradient = torch::autograd::grad({apply("Cast", {x}, {{"to", kOnnxFloat}}).sum()}, {x})[0];
  EXPECT_EQ(gradient.scalar_type(), at::kDouble);
  expect_values(gradient, {1, 1, 1}, {3});
  expect_derivatives({"Cast", {{"to", kOnnxDouble}}, {noise({3})}});
  expect_derivatives({"CastLike", {}, {noise({3}), noise({1})}, 1, false, {1}});
  EXPECT_TRUE(OperatorCase({"Cast", {{"to", kOnnxFloat}}, {x}}).make()->differentiable());
  EXPECT_FALSE(OperatorCase({"Cast", {{"to", kOnnxInt64}}, {x}}).make()->differentiable());
}

TEST(CastLike, TakesTheTypeOfItsSecondInput) {
  const Tensor x = float_tensor({-1.9, 2.9}, {2});
  const Tensor y = apply("CastLike", {x, int_tensor({0})});
  EXPECT_EQ(y.scalar_type(), at::kLong);
  expect_values(y, {-1, 2}, {2});
  EXPECT_FALSE(OperatorCase({"CastLike", {}, {x, int_tensor({0})}, 1, true}).make()->differentiable());
}

TEST(ConstantOfShape, FillsWithZeroOrItsValue) {
  const Tensor zeros = apply("ConstantOfShape", {int_tensor({2, 1})});
  EXPECT_EQ(zeros.scalar_type(), at::kFloat);
  expect_values(zeros, {0, 0}, {2, 1});
  const Tensor sevens = apply("ConstantOfShape", {int_tensor({2})}, {{"value", int_tensor({7})}});
  EXPECT_EQ(sevens.scalar_type(), at::kLong);
  expect_values(sevens, {7, 7}, {2});
  expect_values(apply("ConstantOfShape", {int_tensor({})}), {0}, {});
  expect_values(apply("ConstantOfShape", {int_tensor({3, 0})}), {}, {3, 0});
}

TEST(ConstantOfShape, RefusesImpossibleShapes) {
  const int64_t huge = std::numeric_limits<int64_t>::max();
  for (const Ints& shape : {Ints{-1}, Ints{huge}, Ints{huge, huge}, Ints{1 << 16, 1 << 16}})
    EXPECT_THROW(apply("ConstantOfShape", {int_tensor(shape)}), ModelError);
}

Tensor range(double start, double limit, double step, at::ScalarType type) {
  const auto number = [type](double value) { return at::tensor(value, at::kDouble).to(type); };
  return apply("Range", {number(start), number(limit), number(step)});
}

TEST(Range, StopsBeforeItsLimit) {
  EXPECT_EQ(range(1, 6, 2, at::kInt).scalar_type(), at::kInt);
  expect_values(range(1, 6, 2, at::kInt), {1, 3, 5}, {3});
  expect_values(range(1, 5, 2, at::kLong), {1, 3}, {2});
  expect_values(range(10, 4, -2, at::kFloat), {10, 8, 6}, {3});
  expect_values(range(0, 1, 0.4, at::kDouble), {0, 0.4, 0.8}, {3});
  expect_values(range(3, 3, 1, at::kLong), {}, {0});
  expect_values(range(3, 5, -1, at::kLong), {}, {0});
}

TEST(Range, RefusesWhatNeverEndsAndWhatIsNotOneNumber) {
  EXPECT_THROW(range(0, 1, 0, at::kLong), ModelError);
  EXPECT_THROW(range(0, 1, 1e-12, at::kDouble), ModelError);
  EXPECT_THROW(apply("Range", {int_tensor({}), int_tensor({3}), int_tensor({1})}), ModelError);
  EXPECT_THROW(apply("Range", {int_tensor({0}), int_tensor({3, 4}), int_tensor({1})}), ModelError);
}

TEST(Shape, ListsTheSizesFromStartToEnd) {
  const Tensor x = noise({2, 3, 4});
  const auto shape = [&x](NamedAttributes bounds) { return apply("Shape", {x}, std::move(bounds)); };
  EXPECT_EQ(shape({}).scalar_type(), at::kLong);
  expect_values(shape({}), {2, 3, 4}, {3});
  expect_values(shape({{"start", int64_t{1}}}), {3, 4}, {2});
  expect_values(shape({{"start", int64_t{-1}}}), {4}, {1});
  expect_values(shape({{"end", int64_t{-1}}}), {2, 3}, {2});
  expect_values(shape({{"start", int64_t{-9}}, {"end", int64_t{9}}}), {2, 3, 4}, {3});
  expect_values(shape({{"start", int64_t{2}}, {"end", int64_t{1}}}), {}, {0});
}

TEST(Size, CountsElements) {
  EXPECT_EQ(apply("Size", {noise({2, 3, 4})}).scalar_type(), at::kLong);
  expect_values(apply("Size", {noise({2, 3, 4})}), {24}, {});
  expect_values(apply("Size", {noise({2, 0})}), {0}, {});
}

TEST(BatchShape, IsLinearInTheBatch) {
  const BatchShape shape({0, 3, 1, -1}, {1, 0, 2, 1}, /*scalar=*/false);
  RunContext context;
  for (int64_t n : {1, 5}) {
    context.batch = n;
    const Tensor sizes = shape.forward({}, context)[0];
    EXPECT_EQ(sizes.scalar_type(), at::kLong);
    expect_values(sizes, {double(n), 3, double(2 * n + 1), double(n - 1)}, {4});
  }
  EXPECT_EQ(shape.describe(), "N,3,2*N+1,N-1");
  expect_values(BatchShape({0}, {2}, /*scalar=*/true).forward({}, context)[0], {10}, {});
}

}  // namespace
}  // namespace vitrail
