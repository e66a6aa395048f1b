#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

const int64_t on = 1;

Tensors pool(const std::string& op, const Tensor& x, NamedAttributes attributes, size_t outputs = 1) {
  return OperatorCase{op, std::move(attributes), {x}, outputs}.run();
}

Tensor row(std::vector<double> values) {
  const auto n = static_cast<int64_t>(values.size());
  return float_tensor(std::move(values), {1, 1, n});
}

TEST(MaxPool, CeilModeKeepsAWindowThatStartsInsideAndDropsOneThatStartsInThePadding) {
  const Tensor x = row({5, 1, 2, 3});
  const NamedAttributes by_three{{"kernel_shape", Ints{3}}, {"strides", Ints{3}}};
  expect_values(pool("MaxPool", x, by_three)[0], {5}, {1, 1, 1});
  NamedAttributes ceil = by_three;
  ceil.push_back({"ceil_mode", on});
  expect_values(pool("MaxPool", x, ceil)[0], {5, 3}, {1, 1, 2});
  // Windows of 1 at 0, 2, 4 over 3 cells and one of padding: the third would see padding only.
  expect_values(pool("MaxPool", row({1, 2, 3}),
                     {{"kernel_shape", Ints{2}}, {"strides", Ints{3}}, {"ceil_mode", on}, {"pads", Ints{0, 1}}})[0],
                {2}, {1, 1, 1});
}

TEST(MaxPool, PaddingNeverWins) {
  const Tensor x = row({-3, -2, -5, -4});
  expect_values(
      pool("MaxPool", x, {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"auto_pad", std::string("SAME_UPPER")}})[0],
      {-2, -4}, {1, 1, 2});
  expect_values(
      pool("MaxPool", x, {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"auto_pad", std::string("SAME_LOWER")}})[0],
      {-2, -2}, {1, 1, 2});
}

TEST(MaxPool, IndicesCountThroughTheWholeTensorInTheWantedOrder) {
  const Tensor x = float_tensor({1, 9, 2, 3, 4, 8, 7, 0, 0, 0, 0, 6}, {2, 1, 2, 3});
  const NamedAttributes plane{{"kernel_shape", Ints{2, 3}}};
  expect_values(pool("MaxPool", x, plane, 2)[1], {1, 6}, {2, 1, 1, 1});
  NamedAttributes columns = plane;
  columns.push_back({"storage_order", on});
  expect_values(pool("MaxPool", x, columns, 2)[1], {2, 6}, {2, 1, 1, 1});
  // The padding is not counted: the maximum of each window is at its own place in x.
  const Tensors padded =
      pool("MaxPool", row({1, 5, 2, 4}), {{"kernel_shape", Ints{2}}, {"pads", Ints{1, 0}}, {"strides", Ints{2}}}, 2);
  expect_values(padded[0], {1, 5}, {1, 1, 2});
  expect_values(padded[1], {0, 1}, {1, 1, 2});
}

TEST(MaxPool, PoolsBytes) {
  const Tensor x = row({200, 255, 3, 0}).to(at::kByte);
  const Tensor y = pool("MaxPool", x, {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}})[0];
  EXPECT_EQ(y.scalar_type(), at::kByte);
  expect_values(y, {255, 3}, {1, 1, 2});
}

TEST(AveragePool, DividesByWhatTheWindowCovers) {
  const Tensor x = row({6, 12, 18});
  const NamedAttributes padded{{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}};
  expect_values(pool("AveragePool", x, padded)[0], {9, 12, 15}, {1, 1, 3});
  NamedAttributes counted = padded;
  counted.push_back({"count_include_pad", on});
  expect_values(pool("AveragePool", x, counted)[0], {6, 12, 10}, {1, 1, 3});
  const NamedAttributes uneven{{"kernel_shape", Ints{3}}, {"pads", Ints{0, 2}}, {"count_include_pad", on}};
  expect_values(pool("AveragePool", x, uneven)[0], {12, 10, 6}, {1, 1, 3});
}

TEST(AveragePool, CountsPaddingButNotWhatCeilModeAdds) {
  // The last window covers one cell, one of padding and one beyond: divisor 2, or 1 without padding.
  const Tensor x = row({1, 1, 1, 6});
  const NamedAttributes ceil{{"kernel_shape", Ints{3}}, {"strides", Ints{3}}, {"pads", Ints{0, 1}}, {"ceil_mode", on}};
  expect_values(pool("AveragePool", x, ceil)[0], {1, 6}, {1, 1, 2});
  NamedAttributes counted = ceil;
  counted.push_back({"count_include_pad", on});
  expect_values(pool("AveragePool", x, counted)[0], {1, 3}, {1, 1, 2});
}

TEST(AveragePool, AxisByAxisIsTheMeanOfTheBox) {
  // Dilation takes the separable path; undilated the same numbers come from ATen's kernel.
  const Tensor x = noise({2, 3, 9, 8});
  const Tensor dilated = pool("AveragePool", x, {{"kernel_shape", Ints{2, 3}}, {"dilations", Ints{3, 2}}})[0];
  const Tensor corner = x.slice(2, 0, 4, 3).slice(3, 0, 5, 2).mean({2, 3});
  EXPECT_LT(distance(dilated.select(3, 0).select(2, 0), corner), 1e-12);
  const NamedAttributes even{{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}};
  const NamedAttributes wide{{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 2}}};
  const Tensor a = pool("AveragePool", x, even)[0], b = pool("AveragePool", x, wide)[0];
  EXPECT_LT(distance(a, b.slice(3, 0, 8)), 1e-12);
}

TEST(GlobalPools, ReduceEveryPosition) {
  const Tensor x = noise({2, 3, 4, 5});
  EXPECT_LT(distance(pool("GlobalAveragePool", x, {})[0].flatten(1), x.flatten(2).mean(2)), 1e-12);
  EXPECT_LT(distance(pool("GlobalMaxPool", x, {})[0].flatten(1), x.flatten(2).amax(2)), 1e-12);
  EXPECT_THROW(pool("GlobalAveragePool", noise({2, 3}), {}), ModelError);
}

TEST(LpPool, TakesTheNormOfEachWindow) {
  const Tensor x = float_tensor({3, -4, 5, 12}, {1, 1, 4});
  const NamedAttributes two{{"kernel_shape", Ints{2}}, {"strides", Ints{2}}};
  expect_values(pool("LpPool", x, two)[0], {5, 13}, {1, 1, 2});
  NamedAttributes sum = two;
  sum.push_back({"p", int64_t{1}});
  expect_values(pool("LpPool", x, sum)[0], {7, 17}, {1, 1, 2});
  // Padding adds nothing, and windows that hang over the end neither.
  const NamedAttributes padded{{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"pads", Ints{1, 1}}};
  expect_values(pool("LpPool", x, padded)[0], {3, std::sqrt(41.0), 12}, {1, 1, 3});
  expect_values(pool("GlobalLpPool", x, {})[0], {std::sqrt(194.0)}, {1, 1, 1});
}

TEST(Pooling, RefusesAKernelOfAnotherRank) {
  EXPECT_THROW(pool("MaxPool", noise({1, 1, 4, 4}), {{"kernel_shape", Ints{2}}}), ModelError);
  EXPECT_THROW(pool("AveragePool", noise({1, 1, 4}), {{"kernel_shape", Ints{5}}}), ModelError);
  EXPECT_THROW(pool("MaxPool", noise({1, 1, 4}), {{"kernel_shape", Ints{INT64_MAX}}}), ModelError);
  // Padding beyond the kernel's half: the tables of the mean would be larger than any tensor.
  constexpr int64_t wide = int64_t{1} << 32;
  EXPECT_THROW(pool("AveragePool", noise({1, 1, 4}), {{"kernel_shape", Ints{wide}}, {"pads", Ints{0, wide}}}),
               ModelError);
}

TEST(Pooling, HasTheRightDerivatives) {
  const Tensor x = noise({2, 2, 5, 6});
  const NamedAttributes plain{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  const NamedAttributes uneven{{"kernel_shape", Ints{2, 3}}, {"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 1, 2}}};
  const NamedAttributes dilated{
      {"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 1}}, {"ceil_mode", on}, {"strides", Ints{2, 2}}};
  for (const std::string op : {"MaxPool", "AveragePool"}) {
    for (const NamedAttributes& attributes : {plain, uneven, dilated}) expect_derivatives({op, attributes, {x}});
    expect_derivatives({op, {{"kernel_shape", Ints{2}}}, {noise({1, 2, 5})}});
    expect_derivatives({op, {{"kernel_shape", Ints{2, 2, 2}}}, {noise({1, 1, 3, 3, 3})}});
  }
  expect_derivatives({"GlobalAveragePool", {}, {x}});
  expect_derivatives({"GlobalMaxPool", {}, {x}});
  expect_derivatives({"GlobalLpPool", {}, {x}});
  expect_derivatives({"LpPool", {{"kernel_shape", Ints{2, 3}}, {"p", int64_t{3}}}, {x}});
}

}  // namespace
}  // namespace vitrail
