#include <ATen/ops/empty.h>
#include <vitrail/error.h>

#include <cmath>
#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

const int64_t on = 1, off = 0;
const std::vector<std::string> kReductions = {"ReduceMean", "ReduceSum",  "ReduceMax",
                                              "ReduceMin",  "ReduceProd", "ReduceL2"};
/// Those that change even a single number.
const std::vector<std::string> kFunctions = {"ReduceL1", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};

Tensors apply(const std::string& op, Tensors inputs, NamedAttributes attributes = {}, size_t outputs = 1) {
  return OperatorCase{op, std::move(attributes), std::move(inputs), outputs}.run();
}

Tensor row(const std::vector<double>& values) { return float_tensor(values, {static_cast<int64_t>(values.size())}); }

double log_sum_exp(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += std::exp(value);
  return std::log(sum);
}

struct Reduced {
  std::string op;
  std::vector<double> over_rows, over_all;  ///< of [[1, 2], [3, 4], [5, 6]]
  double of_nothing;
};

const std::vector<Reduced> kReduced = {
    {"ReduceMean", {3, 4}, {3.5}, std::nan("")},
    {"ReduceSum", {9, 12}, {21}, 0},
    {"ReduceMax", {5, 6}, {6}, -INFINITY},
    {"ReduceMin", {1, 2}, {1}, INFINITY},
    {"ReduceProd", {15, 48}, {720}, 1},
    {"ReduceL2", {std::sqrt(35.0), std::sqrt(56.0)}, {std::sqrt(91.0)}, 0},
    {"ReduceL1", {9, 12}, {21}, 0},
    {"ReduceLogSum", {std::log(9), std::log(12)}, {std::log(21)}, -INFINITY},
    {"ReduceLogSumExp", {log_sum_exp({1, 3, 5}), log_sum_exp({2, 4, 6})}, {log_sum_exp({1, 2, 3, 4, 5, 6})}, -INFINITY},
    {"ReduceSumSquare", {35, 56}, {91}, 0},
};

TEST(Reduce, TakesAxesFromTheFrontOrTheEndOrAll) {
  const Tensor x = float_tensor({1, 2, 3, 4, 5, 6}, {3, 2});
  for (const Reduced& row : kReduced) {
    SCOPED_TRACE(row.op);
    for (int64_t axis : {0, -2}) expect_values(apply(row.op, {x, int_tensor({axis})})[0], row.over_rows, {1, 2});
    expect_values(apply(row.op, {x, int_tensor({0})}, {{"keepdims", off}})[0], row.over_rows, {2});
    expect_values(OperatorCase{row.op, {}, {x, int_tensor({0})}, 1, /*constants=*/true}.run()[0], row.over_rows,
                  {1, 2});
    expect_values(apply(row.op, {x})[0], row.over_all, {1, 1});
    expect_values(apply(row.op, {x, int_tensor({1, 0})}, {{"keepdims", off}})[0], row.over_all, {});
  }
}

TEST(Reduce, EmptyAxesMeanAllUnlessTheyMeanNone) {
  const Tensor x = float_tensor({1, 2, 3, 4, 5, -6}, {3, 2});
  for (const std::string& op : kReductions) {
    SCOPED_TRACE(op);
    EXPECT_EQ(apply(op, {x, int_tensor({})})[0].numel(), 1);
    const double last = op == "ReduceL2" ? 6 : -6;  // the norm of one number is its absolute value
    expect_values(apply(op, {x, int_tensor({})}, {{"noop_with_empty_axes", on}})[0], {1, 2, 3, 4, 5, last}, {3, 2});
    expect_values(apply(op, {float_tensor({-6}, {})})[0], {last}, {});
  }
}

TEST(Reduce, OverNoAxesTakesTheFunctionOfEachNumber) {
  const Tensor x = row({-2, 3});
  const NamedAttributes none{{"noop_with_empty_axes", on}};
  expect_values(apply("ReduceL1", {x, int_tensor({})}, none)[0], {2, 3}, {2});
  expect_values(apply("ReduceSumSquare", {x, int_tensor({})}, none)[0], {4, 9}, {2});
  expect_values(apply("ReduceLogSumExp", {x, int_tensor({})}, none)[0], {-2, 3}, {2});
  expect_values(apply("ReduceLogSum", {x.abs(), int_tensor({})}, none)[0], {std::log(2), std::log(3)}, {2});
  for (const std::string& op : kFunctions) EXPECT_EQ(apply(op, {x, int_tensor({})})[0].numel(), 1) << op;
}

TEST(Reduce, OfNothingIsTheNeutralElement) {
  for (const Reduced& row : kReduced) {
    SCOPED_TRACE(row.op);
    const Tensor y = apply(row.op, {at::empty({2, 0}), int_tensor({1})})[0];
    ASSERT_EQ(y.sizes().vec(), (Ints{2, 1}));
    const double found = y[1].item<double>();
    EXPECT_TRUE(found == row.of_nothing || (std::isnan(found) && std::isnan(row.of_nothing))) << found;
  }
  EXPECT_THROW(apply("ReduceMax", {at::empty({0}, at::kLong)}), ModelError);
}

TEST(Reduce, KeepsTheType) {
  const Tensor x = int_tensor({-3, 2, -4}).to(at::kInt);  // sum -5, mean -5/3
  for (const std::string& op : kReductions) EXPECT_EQ(apply(op, {x})[0].scalar_type(), at::kInt) << op;
  expect_values(apply("ReduceMean", {x})[0], {-1}, {1});
  expect_values(apply("ReduceProd", {x})[0], {24}, {1});
  const Tensor flags = int_tensor({0, 1}).to(at::kBool);
  expect_values(apply("ReduceMax", {flags})[0], {1}, {1});
  expect_values(apply("ReduceMin", {flags})[0], {0}, {1});
  EXPECT_EQ(apply("ReduceMax", {flags})[0].scalar_type(), at::kBool);
}

TEST(Reduce, RefusesAnAxisThatIsNotThere) {
  for (int64_t axis : {2, -3}) EXPECT_THROW(apply("ReduceSum", {noise({2, 2}), int_tensor({axis})}), ModelError);
}

TEST(ArgExtreme, TakesTheFirstOfEqualOnesOrTheLast) {
  const Tensor x = float_tensor({1, 3, 3, 0, 5, 0, 0, 5}, {2, 4});
  const NamedAttributes line{{"axis", int64_t{-1}}};
  const NamedAttributes last{{"axis", int64_t{-1}}, {"select_last_index", on}};
  expect_values(apply("ArgMax", {x}, line)[0], {1, 0}, {2, 1});
  expect_values(apply("ArgMax", {x}, last)[0], {2, 3}, {2, 1});
  expect_values(apply("ArgMin", {x}, line)[0], {3, 1}, {2, 1});
  expect_values(apply("ArgMin", {x}, last)[0], {3, 2}, {2, 1});
  expect_values(apply("ArgMax", {x}, {{"keepdims", off}})[0], {1, 0, 0, 1}, {4});
  EXPECT_EQ(apply("ArgMax", {x})[0].scalar_type(), at::kLong);
  EXPECT_FALSE(OperatorCase({"ArgMax", {}, {x}}).make()->differentiable());
}

TEST(TopK, OfEqualValuesPutsTheFirstFirst) {
  const Tensor x = row({2, 7, 2, 7, 1, 7});
  const Tensors largest = apply("TopK", {x, int_tensor({4})}, {}, 2);
  expect_values(largest[0], {7, 7, 7, 2}, {4});
  expect_values(largest[1], {1, 3, 5, 0}, {4});
  const Tensors smallest = apply("TopK", {x, int_tensor({3})}, {{"largest", off}}, 2);
  expect_values(smallest[0], {1, 2, 2}, {3});
  expect_values(smallest[1], {4, 0, 2}, {3});
}

TEST(TopK, RanksAlongItsAxis) {
  const Tensors out = apply("TopK", {float_tensor({1, 8, 5, 2, 3, 9}, {3, 2}), int_tensor({2})}, {{"axis", off}}, 2);
  expect_values(out[0], {5, 9, 3, 8}, {2, 2});
  expect_values(out[1], {1, 2, 2, 0}, {2, 2});
  EXPECT_EQ(apply("TopK", {row({1, 2}), int_tensor({0})}, {}, 2)[0].numel(), 0);
}

TEST(TopK, RefusesANumberThatCannotBe) {
  for (const Ints& k : {Ints{3}, Ints{-1}, Ints{}, Ints{1, 1}})
    EXPECT_THROW(apply("TopK", {row({1, 2}), int_tensor(k)}, {}, 2), ModelError);
}

TEST(CumSum, InclusiveOrExclusiveFromEitherEnd) {
  const Tensor x = row({1, 2, 3}), axis = int_tensor({0});
  expect_values(apply("CumSum", {x, axis})[0], {1, 3, 6}, {3});
  expect_values(apply("CumSum", {x, axis}, {{"exclusive", on}})[0], {0, 1, 3}, {3});
  expect_values(apply("CumSum", {x, axis}, {{"reverse", on}})[0], {6, 5, 3}, {3});
  expect_values(apply("CumSum", {x, axis}, {{"exclusive", on}, {"reverse", on}})[0], {5, 3, 0}, {3});
  const Tensor table = float_tensor({1, 2, 3, 4}, {2, 2});
  expect_values(apply("CumSum", {table, int_tensor({-1}).reshape({})})[0], {1, 3, 3, 7}, {2, 2});
  expect_values(apply("CumSum", {table, axis})[0], {1, 2, 4, 6}, {2, 2});
}

TEST(CumSum, ExclusiveKeepsSmallTermsBesideLargeOnes) {
  const Tensor axis = int_tensor({0});
  const NamedAttributes exclusive{{"exclusive", on}};
  expect_values(apply("CumSum", {row({1, 1e8}), axis}, exclusive)[0], {0, 1}, {2});
  expect_values(apply("CumSum", {row({2, INFINITY}), axis}, exclusive)[0], {0, 2}, {2});
  EXPECT_EQ(apply("CumSum", {row({}), axis}, exclusive)[0].numel(), 0);
}

TEST(CumSum, RefusesAnAxisThatIsNotOneOfTheTensors) {
  for (const Ints& axis : {Ints{1}, Ints{-2}, Ints{}, Ints{0, 0}})
    EXPECT_THROW(apply("CumSum", {row({1, 2}), int_tensor(axis)}), ModelError);
}

TEST(Reductions, HaveTheRightDerivatives) {
  const Tensor x = noise({2, 3, 4});
  for (const std::string& op : kReductions) {
    expect_derivatives({op, {}, {x}});
    expect_derivatives({op, {{"keepdims", off}}, {x, int_tensor({0, -1})}});
  }
  for (const std::string& op : kFunctions) {
    expect_derivatives({op, {}, {x.abs() + 0.1}});
    expect_derivatives({op, {{"keepdims", off}}, {x.abs() + 0.1, int_tensor({0, -1})}});
  }
  for (int64_t largest : {0, 1}) expect_derivatives({"TopK", {{"largest", largest}}, {x, int_tensor({2})}, 2});
  for (int64_t exclusive : {0, 1})
    for (int64_t reverse : {0, 1})
      expect_derivatives({"CumSum", {{"exclusive", exclusive}, {"reverse", reverse}}, {x, int_tensor({1})}});
}

}  // namespace
}  // namespace vitrail
