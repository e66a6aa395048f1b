#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor run(const std::string& op, Tensors inputs, NamedAttributes attributes = {}, bool constants = false) {
  return OperatorCase{op, std::move(attributes), std::move(inputs), 1, constants}.run()[0];
}

Ints shape_of(const std::string& op, Tensors inputs, NamedAttributes attributes = {}, bool constants = false) {
  return run(op, std::move(inputs), std::move(attributes), constants).sizes().vec();
}

TEST(Reshape, KeepsSizesAtZeroAndFillsInMinusOne) {
  const Tensor x = noise({2, 3, 4});
  for (const bool constants : {false, true}) {
    EXPECT_EQ(shape_of("Reshape", {x, int_tensor({0, -1})}, {}, constants), (Ints{2, 12}));
    EXPECT_EQ(shape_of("Reshape", {x, int_tensor({-1})}, {}, constants), (Ints{24}));
    EXPECT_EQ(shape_of("Reshape", {x, int_tensor({4, 0, -1, 2})}, {}, constants), (Ints{4, 3, 1, 2}));
  }
  EXPECT_EQ(shape_of("Reshape", {noise({0, 3}), int_tensor({3, 0})}, {{"allowzero", int64_t{1}}}), (Ints{3, 0}));
  EXPECT_EQ(shape_of("Reshape", {noise({1}), at::zeros({0}, at::kLong)}), Ints{});
}

TEST(Reshape, RefusesAnotherNumberOfElements) {
  const Tensor x = noise({2, 3});
  const int64_t huge = int64_t{1} << 40;
  for (const Ints& shape : {Ints{4}, Ints{-1, 4}, Ints{-1, -1}, Ints{-2, 3}, Ints{1, 1, 0}, Ints{huge, huge, -1}}) {
    EXPECT_THROW(run("Reshape", {x, int_tensor(shape)}), ModelError);
  }
}

TEST(Flatten, MakesTwoAxesOfAll) {
  const Tensor x = noise({2, 3, 4});
  EXPECT_EQ(shape_of("Flatten", {x}), (Ints{2, 12}));
  EXPECT_EQ(shape_of("Flatten", {x}, {{"axis", int64_t{0}}}), (Ints{1, 24}));
  EXPECT_EQ(shape_of("Flatten", {x}, {{"axis", int64_t{-1}}}), (Ints{6, 4}));
  EXPECT_EQ(shape_of("Flatten", {x}, {{"axis", int64_t{3}}}), (Ints{24, 1}));
  EXPECT_THROW(run("Flatten", {x}, {{"axis", int64_t{4}}}), ModelError);
}

TEST(Transpose, ReversesUnlessTold) {
  const Tensor x = noise({2, 3, 4});
  EXPECT_EQ(shape_of("Transpose", {x}), (Ints{4, 3, 2}));
  EXPECT_EQ(shape_of("Transpose", {x}, {{"perm", Ints{1, 2, 0}}}), (Ints{3, 4, 2}));
  EXPECT_THROW(run("Transpose", {x}, {{"perm", Ints{0, 0, 1}}}), ModelError);
  EXPECT_THROW(run("Transpose", {x}, {{"perm", Ints{0, 1}}}), ModelError);
}

TEST(Squeeze, RemovesAxesOfSizeOneThatUnsqueezePutsBack) {
  const Tensor x = noise({1, 3, 1, 2});
  EXPECT_EQ(shape_of("Squeeze", {x}), (Ints{3, 2}));
  EXPECT_EQ(shape_of("Squeeze", {x, int_tensor({-2})}), (Ints{1, 3, 2}));
  EXPECT_EQ(shape_of("Unsqueeze", {noise({3, 2}), int_tensor({2, 0})}), (Ints{1, 3, 1, 2}));
  EXPECT_EQ(shape_of("Unsqueeze", {noise({3}), int_tensor({-1})}), (Ints{3, 1}));
  EXPECT_THROW(run("Squeeze", {x, int_tensor({1})}), ModelError);
  EXPECT_THROW(run("Unsqueeze", {x, int_tensor({0, 0})}), ModelError);
}

TEST(Expand, BroadcastsBothWays) {
  const Tensor x = noise({3, 1});
  EXPECT_EQ(shape_of("Expand", {x, int_tensor({2, 1, 6})}), (Ints{2, 3, 6}));
  EXPECT_EQ(shape_of("Expand", {x, int_tensor({1})}), (Ints{3, 1}));
  EXPECT_EQ(shape_of("Expand", {x, int_tensor({4})}), (Ints{3, 4}));
  EXPECT_THROW(run("Expand", {x, int_tensor({2, 1})}), ModelError);
}

TEST(Tile, RepeatsWholeAxes) {
  expect_values(run("Tile", {float_tensor({1, 2}, {1, 2}), int_tensor({2, 2})}), {1, 2, 1, 2, 1, 2, 1, 2}, {2, 4});
  EXPECT_THROW(run("Tile", {noise({1, 2}), int_tensor({2})}), ModelError);
}

TEST(DepthToSpace, OrdersChannelsAsTold) {
  const Tensor x = at::arange(8, at::kFloat).reshape({1, 8, 1, 1});
  const NamedAttributes two{{"blocksize", int64_t{2}}};
  NamedAttributes crd = two;
  crd.push_back({"mode", std::string("CRD")});
  expect_values(run("DepthToSpace", {x}, two), {0, 2, 4, 6, 1, 3, 5, 7}, {1, 2, 2, 2});
  expect_values(run("DepthToSpace", {x}, crd), {0, 1, 2, 3, 4, 5, 6, 7}, {1, 2, 2, 2});
  EXPECT_THROW(run("DepthToSpace", {noise({1, 6, 1, 1})}, two), ModelError);
  for (const char* op : {"DepthToSpace", "SpaceToDepth"})  // whose square overflows
    EXPECT_THROW(run(op, {noise({1, 4, 2, 2})}, {{"blocksize", int64_t{1} << 40}}), ModelError);
}

TEST(SpaceToDepth, UndoesDepthToSpace) {
  const Tensor x = noise({2, 12, 3, 2});
  const NamedAttributes two{{"blocksize", int64_t{2}}};
  EXPECT_EQ(distance(run("SpaceToDepth", {run("DepthToSpace", {x}, two)}, two), x), 0);
  EXPECT_THROW(run("SpaceToDepth", {noise({1, 1, 3, 2})}, two), ModelError);
}

TEST(Shape, HasTheRightDerivatives) {
  const Tensor x = noise({2, 4, 2, 2});
  const NamedAttributes two{{"blocksize", int64_t{2}}};
  expect_derivatives({"Reshape", {}, {x, int_tensor({0, -1})}});
  expect_derivatives({"Flatten", {}, {x}});
  expect_derivatives({"Transpose", {}, {x}});
  expect_derivatives({"Squeeze", {}, {noise({1, 3}), int_tensor({0})}});
  expect_derivatives({"Unsqueeze", {}, {x, int_tensor({0, -1})}});
  expect_derivatives({"Expand", {}, {noise({3, 1}), int_tensor({2, 3, 4})}});
  expect_derivatives({"Tile", {}, {noise({2, 3}), int_tensor({2, 3})}});
  expect_derivatives({"DepthToSpace", two, {x}});
  expect_derivatives({"SpaceToDepth", two, {x}});
}

}  // namespace
}  // namespace vitrail
