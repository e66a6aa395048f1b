#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

const int64_t on = 1;

Tensor apply(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

TEST(MatMul, TreatsVectorsAsRowsOnTheLeftAndColumnsOnTheRight) {
  const Tensor m = float_tensor({1, 2, 3, 4, 5, 6}, {2, 3}), v = float_tensor({1, 0, 2}, {3});
  expect_values(apply("MatMul", {m, v}), {7, 16}, {2});
  expect_values(apply("MatMul", {float_tensor({1, 10}, {2}), m}), {41, 52, 63}, {3});
  expect_values(apply("MatMul", {v, v}), {5}, {});
  const Tensor integers = apply("MatMul", {int_tensor({1, 2}).reshape({1, 2}), int_tensor({3, 4}).reshape({2, 1})});
  EXPECT_EQ(integers.scalar_type(), at::kLong);
  expect_values(integers, {11}, {1, 1});
}

TEST(MatMul, BroadcastsStacksOfMatrices) {
  const Tensor a = noise({2, 1, 3, 4}), b = noise({5, 4, 6}), y = apply("MatMul", {a, b});
  ASSERT_EQ(y.sizes().vec(), (Ints{2, 5, 3, 6}));
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 5; ++j) EXPECT_LT(distance(y[i][j], apply("MatMul", {a[i][0], b[j]})), 1e-12);
}

TEST(Gemm, ScalesTheProductAndAddsC) {
  const Tensor a = float_tensor({1, 2, 3, 4}, {2, 2}), b = float_tensor({1, 0, 1, 1}, {2, 2});  // a b = 3 2 7 4
  const Tensor c = float_tensor({10, 20}, {2});
  expect_values(apply("Gemm", {a, b}), {3, 2, 7, 4}, {2, 2});
  expect_values(apply("Gemm", {a, b, {}}), {3, 2, 7, 4}, {2, 2});
  expect_values(apply("Gemm", {a, b, c}), {13, 22, 17, 24}, {2, 2});
  expect_values(apply("Gemm", {a, b, c.reshape({2, 1})}), {13, 12, 27, 24}, {2, 2});
  expect_values(apply("Gemm", {a, b, float_tensor({1}, {})}), {4, 3, 8, 5}, {2, 2});
  expect_values(apply("Gemm", {a, b, c}, {{"alpha", 2.0}, {"beta", 0.5}}), {11, 14, 19, 18}, {2, 2});
}

TEST(Gemm, TransposesEitherMatrix) {
  const Tensor a = noise({3, 2}), b = noise({4, 3});
  const Tensor product = apply("MatMul", {a.t(), b.t()});
  EXPECT_LT(distance(apply("Gemm", {a, b}, {{"transA", on}, {"transB", on}}), product), 1e-12);
  EXPECT_LT(distance(apply("Gemm", {a.t(), b}, {{"transB", on}}), product), 1e-12);
  EXPECT_LT(distance(apply("Gemm", {a, b.t()}, {{"transA", on}}), product), 1e-12);
}

TEST(Gemm, OfIntegersStaysOfIntegers) {
  const Tensor a = int_tensor({1, 2}).reshape({1, 2}), b = int_tensor({3, 4}).reshape({2, 1});
  const Tensor y = apply("Gemm", {a, b, int_tensor({5})}, {{"alpha", 2.0}, {"beta", 3.0}});
  EXPECT_EQ(y.scalar_type(), at::kLong);
  expect_values(y, {37}, {1, 1});
}

TEST(Einsum, ReadsEquationsAsONNXWritesThem) {
  const auto einsum = [](const std::string& equation, Tensors in) {
    return apply("Einsum", std::move(in), {{"equation", equation}});
  };
  const Tensor a = noise({2, 3, 4}), b = noise({4, 5}), square = noise({3, 3});
  const Tensor product = apply("MatMul", {a, b});
  EXPECT_LT(distance(einsum("bij, jk -> bik", {a, b}), product), 1e-12);
  EXPECT_LT(distance(einsum("...ij,jk->...ik", {a, b}), product), 1e-12);
  EXPECT_LT(distance(einsum("BIJ,JK->BIK", {a, b}), product), 1e-12);
  EXPECT_LT(distance(einsum("ij,jk", {a[0], b}), product[0]), 1e-12);
  EXPECT_LT(distance(einsum("ii->i", {square}), square.diagonal()), 1e-12);
  EXPECT_LT(distance(einsum("ji", {square}), square.t()), 1e-12);
  EXPECT_THROW(apply("Einsum", {square}), ModelError);
}

TEST(Linear, HasTheRightDerivatives) {
  expect_derivatives({"MatMul", {}, {noise({2, 3, 4}), noise({4, 2})}});
  expect_derivatives({"MatMul", {}, {noise({3}), noise({2, 3, 2})}});
  expect_derivatives({"Gemm", {{"alpha", 0.5}, {"beta", -2.0}}, {noise({2, 3}), noise({3, 4}), noise({4})}});
  expect_derivatives({"Gemm", {{"transA", on}, {"transB", on}}, {noise({3, 2}), noise({4, 3})}});
  expect_derivatives({"Einsum", {{"equation", std::string("bij,bjk->ik")}}, {noise({2, 3, 4}), noise({2, 4, 2})}});
}

}  // namespace
}  // namespace vitrail
