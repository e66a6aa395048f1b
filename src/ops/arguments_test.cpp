#include "ops/arguments.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <limits>

#include "ops/operator_case.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

TEST(ResultShape, IsRefusedWhereNoMachineHoldsIt) {
  EXPECT_NO_THROW(check_result_shape({}));
  EXPECT_NO_THROW(check_result_shape({1 << 16, 1 << 15}));
  EXPECT_NO_THROW(check_result_shape({0, kLargest}));
  EXPECT_THROW(check_result_shape({1 << 16, (1 << 15) + 1}), ModelError);
  EXPECT_THROW(check_result_shape({kLargest, kLargest}), ModelError);
  EXPECT_THROW(check_result_shape({0, kLargest, 2}), ModelError);
  EXPECT_THROW(check_result_shape({2, -1}), ModelError);
}

class HugeResult : public testing::TestWithParam<int64_t> {
 protected:
  static void expect_refused(const std::string& op, const NamedAttributes& attributes, const Tensors& inputs) {
    EXPECT_THROW((OperatorCase{op, attributes, inputs}.run()), ModelError) << op;
  }
};

TEST_P(HugeResult, IsRefusedBeforeItIsComputed) {
  const int64_t size = GetParam();
  const Tensor x = at::ones({1, 1, 2, 2});
  const auto ints = [](Ints values) { return at::tensor(values, at::kLong); };
  expect_refused("Expand", {}, {x, ints({size, size, 2, 2})});
  expect_refused("Tile", {}, {x, ints({size, 1, size, 1})});
  expect_refused("ConstantOfShape", {}, {ints({size, size})});
  for (const std::string mode : {"constant", "edge", "reflect", "wrap"}) {
    expect_refused("Pad", {{"mode", mode}}, {x, ints({0, 0, 0, 0, 0, 0, 0, size})});
    expect_refused("Pad", {{"mode", mode}}, {x, ints({0, 0, size, 0, 0, 0, size, 0})});
  }
  for (const std::string mode : {"nearest", "linear", "cubic"}) {
    expect_refused("Resize", {{"mode", mode}}, {x, Tensor(), Tensor(), ints({1, 1, 2, size})});
    const Tensor scales = at::tensor(std::vector<double>{1, 1, 1, static_cast<double>(size)}, at::kFloat);
    expect_refused("Resize", {{"mode", mode}}, {x, Tensor(), scales});
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, HugeResult, testing::Values(kMostElements, int64_t{1} << 40, kLargest));

}  // namespace
}  // namespace vitrail
