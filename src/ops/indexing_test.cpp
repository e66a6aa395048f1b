#include <ATen/ops/arange.h>
#include <vitrail/error.h>

#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

constexpr int64_t lowest = std::numeric_limits<int64_t>::min(), highest = std::numeric_limits<int64_t>::max();

Tensor run(const std::string& op, Tensors inputs, NamedAttributes attributes = {}, bool constants = false) {
  return OperatorCase{op, std::move(attributes), std::move(inputs), 1, constants}.run()[0];
}

Tensor count(int64_t n) { return at::arange(n, at::kFloat); }

TEST(Slice, FollowsItsStepForwardsAndBackwards) {
  const struct {
    int64_t start, end, step;
    std::vector<double> expected;
  } rows[] = {
      {1, 4, 1, {1, 2, 3}},
      {-2, highest, 1, {4, 5}},
      {0, -1, 2, {0, 2, 4}},
      {-1, lowest, -1, {5, 4, 3, 2, 1, 0}},
      {4, 1, -2, {4, 2}},
      {highest, lowest, -4, {5, 1}},
      {lowest, highest, highest, {0}},
      {highest, lowest, lowest, {5}},
      {3, 3, 1, {}},
      {1, 3, -1, {}},
      {-9, lowest, -1, {0}},
      {9, highest, 1, {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::to_string(row.start) + ":" + std::to_string(row.end) + ":" + std::to_string(row.step));
    for (const bool constants : {false, true}) {
      const Tensor y =
          run("Slice", {count(6), int_tensor({row.start}), int_tensor({row.end}), Tensor(), int_tensor({row.step})}, {},
              constants);
      expect_values(y, row.expected, {static_cast<int64_t>(row.expected.size())});
    }
  }
}

TEST(Slice, TakesTheFirstAxesUnlessTold) {
  const Tensor x = count(6).reshape({2, 3});
  expect_values(run("Slice", {x, int_tensor({1}), int_tensor({2})}), {3, 4, 5}, {1, 3});
  expect_values(run("Slice", {x, int_tensor({1}), int_tensor({2}), int_tensor({-1})}), {1, 4}, {2, 1});
  EXPECT_THROW(run("Slice", {x, int_tensor({0}), int_tensor({1}), int_tensor({2})}), ModelError);
  EXPECT_THROW(run("Slice", {x, int_tensor({0}), int_tensor({1, 2})}), ModelError);
  EXPECT_THROW(run("Slice", {x, int_tensor({0}), int_tensor({1}), int_tensor({0}), int_tensor({0})}), ModelError);
}

TEST(Gather, ReplacesTheAxisByTheAxesOfTheIndices) {
  const Tensor x = count(6).reshape({2, 3});
  const NamedAttributes last{{"axis", int64_t{1}}};
  expect_values(run("Gather", {x, int_tensor({-1, 0})}, last), {2, 0, 5, 3}, {2, 2});
  expect_values(run("Gather", {x, int_tensor({1, -2}).reshape({2, 1})}), {3, 4, 5, 0, 1, 2}, {2, 1, 3});
  expect_values(run("Gather", {x, int_tensor({-1})[0]}, last), {2, 5}, {2});
  expect_values(run("Gather", {x, int_tensor({1}).to(at::kInt)}), {3, 4, 5}, {1, 3});
}

TEST(GatherElements, TakesOneElementAPosition) {
  const Tensor x = count(6).reshape({2, 3});
  expect_values(run("GatherElements", {x, int_tensor({-1, 0, 1, 1}).reshape({2, 2})}, {{"axis", int64_t{1}}}),
                {2, 0, 4, 4}, {2, 2});
  EXPECT_THROW(run("GatherElements", {x, int_tensor({0})}), ModelError);
}

TEST(GatherND, TakesTuplesBehindTheBatch) {
  const Tensor x = count(8).reshape({2, 2, 2});
  expect_values(run("GatherND", {x, int_tensor({0, 1, -1, 0}).reshape({2, 2})}), {2, 3, 4, 5}, {2, 2});
  expect_values(run("GatherND", {x, int_tensor({1, -2}).reshape({2, 1})}, {{"batch_dims", int64_t{1}}}), {2, 3, 4, 5},
                {2, 2});
  expect_values(run("GatherND", {x, int_tensor({1, 1, 1}).reshape({1, 3})}), {7}, {1});
  EXPECT_THROW(run("GatherND", {x, int_tensor({0, 0, 0, 0}).reshape({1, 4})}), ModelError);
}

TEST(ScatterND, ReplacesOrReduces) {
  const Tensor x = float_tensor({1, 2, 3, 4}, {4}), at = int_tensor({1, -1, 1}).reshape({3, 1});
  const Tensor updates = float_tensor({5, 1, 7}, {3});
  const auto reduced = [&](const std::string& how) { return run("ScatterND", {x, at, updates}, {{"reduction", how}}); };
  expect_values(reduced("add"), {1, 14, 3, 5}, {4});
  expect_values(reduced("mul"), {1, 70, 3, 4}, {4});
  expect_values(reduced("min"), {1, 2, 3, 1}, {4});
  expect_values(reduced("max"), {1, 7, 3, 4}, {4});
  const Tensor rows = run(
      "ScatterND", {count(6).reshape({3, 2}), int_tensor({2, 0}).reshape({2, 1}), float_tensor({9, 8, 7, 6}, {2, 2})});
  expect_values(rows, {7, 6, 2, 3, 9, 8}, {3, 2});
  expect_values(x, {1, 2, 3, 4}, {4});
  EXPECT_THROW(reduced("mean"), ModelError);
  EXPECT_THROW(run("ScatterND", {x, at, float_tensor({1, 2}, {2})}), ModelError);
}

TEST(Split, DividesAsToldOrEvenlyWithASmallerLastPart) {
  const Tensor x = count(7);
  const auto sizes = [](const Tensors& parts) {
    Ints list;
    for (const Tensor& part : parts) list.push_back(part.numel());
    return list;
  };
  EXPECT_EQ(sizes(OperatorCase{"Split", {{"num_outputs", int64_t{3}}}, {x}, 3}.run()), (Ints{3, 3, 1}));
  EXPECT_EQ(sizes(OperatorCase{"Split", {}, {x, int_tensor({0, 5, 2})}, 3}.run()), (Ints{0, 5, 2}));
  const Tensors parts = OperatorCase{"Split", {{"axis", int64_t{-1}}}, {count(6).reshape({1, 6})}, 2}.run();
  expect_values(parts[1], {3, 4, 5}, {1, 3});
  for (const Ints& wrong : {Ints{3, 3}, Ints{INT64_MAX, INT64_MAX, 9}})
    EXPECT_THROW((OperatorCase{"Split", {}, {x, int_tensor(wrong)}, wrong.size()}.run()), ModelError);
  for (const int64_t parts : {int64_t{0}, int64_t{4}, INT64_MAX})
    EXPECT_THROW((OperatorCase{"Split", {{"num_outputs", parts}}, {x}, 3}.run()), ModelError);
}

TEST(Concat, JoinsWhatSplitTookApart) {
  const Tensor x = noise({2, 6});
  const NamedAttributes axis{{"axis", int64_t{-1}}};
  EXPECT_EQ(distance(run("Concat", OperatorCase{"Split", axis, {x}, 3}.run(), axis), x), 0);
  EXPECT_THROW(run("Concat", {x, x}), ModelError);
}

TEST(Pad, ContinuesByItsMode) {
  const Tensor x = float_tensor({1, 2, 3}, {3});
  const auto padded = [&](const std::string& mode, Ints pads) {
    return run("Pad", {x, int_tensor(std::move(pads))}, {{"mode", mode}});
  };
  expect_values(padded("constant", {1, 2}), {0, 1, 2, 3, 0, 0}, {6});
  expect_values(padded("edge", {1, 2}), {1, 1, 2, 3, 3, 3}, {6});
  expect_values(padded("reflect", {2, 1}), {3, 2, 1, 2, 3, 2}, {6});
  expect_values(padded("wrap", {2, 4}), {2, 3, 1, 2, 3, 1, 2, 3, 1}, {9});
  expect_values(padded("constant", {-1, 1}), {2, 3, 0}, {3});
  expect_values(padded("edge", {1, -2}), {1, 1}, {2});
  EXPECT_THROW(padded("constant", {-2, -2}), ModelError);
  EXPECT_THROW(padded("mirror", {1, 1}), ModelError);
  EXPECT_THROW(padded("constant", {1}), ModelError);
}

TEST(Pad, TakesAValueAndSomeAxesOfAnyType) {
  const Tensor x = int_tensor({1, 2}).reshape({1, 2});
  const Tensor y = run("Pad", {x, int_tensor({1, 0}), int_tensor({7})[0], int_tensor({-1})});
  EXPECT_EQ(y.scalar_type(), at::kLong);
  expect_values(y, {7, 1, 2}, {1, 3});
}

TEST(Indexing, HasTheRightDerivatives) {
  const Tensor x = noise({3, 4}), updates = noise({2, 4}), rows = int_tensor({2, 0}).reshape({2, 1});
  expect_derivatives({"Slice", {}, {x, int_tensor({3}), int_tensor({lowest}), int_tensor({1}), int_tensor({-2})}});
  expect_derivatives({"Gather", {{"axis", int64_t{1}}}, {x, int_tensor({-1, 0, 0})}});
  expect_derivatives({"GatherElements", {}, {x, rows}});
  expect_derivatives({"GatherND", {{"batch_dims", int64_t{1}}}, {x, int_tensor({0, 0, 3}).reshape({3, 1})}});
  for (const std::string reduction : {"none", "add", "mul", "min", "max"}) {
    expect_derivatives({"ScatterND", {{"reduction", reduction}}, {x, rows, updates}});
  }
  expect_derivatives({"Split", {}, {x, int_tensor({1, 2})}, 2});
  expect_derivatives({"Concat", {{"axis", int64_t{0}}}, {x, updates}});
  for (const std::string mode : {"constant", "edge", "reflect", "wrap"}) {
    expect_derivatives({"Pad", {{"mode", mode}}, {x, int_tensor({1, 0, 0, 2})}});
  }
}

}  // namespace
}  // namespace vitrail
