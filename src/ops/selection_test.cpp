#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor run(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

Tensor count(Ints shape) {
  int64_t n = 1;
  for (int64_t size : shape) n *= size;
  return at::arange(n, at::kFloat).reshape(shape);
}

TEST(OneHot, IsOnAtTheIndexAndNowhereOutOfRange) {
  const Tensor values = float_tensor({-1, 5}, {2});
  expect_values(run("OneHot", {int_tensor({1, -1, 3, -4}), int_tensor({3}), values}),
                {-1, 5, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1}, {4, 3});
  expect_values(run("OneHot", {int_tensor({1, 0}), float_tensor({2}, {1}), values}, {{"axis", int64_t{0}}}),
                {-1, 5, 5, -1}, {2, 2});
  EXPECT_THROW(run("OneHot", {int_tensor({1}), int_tensor({0}), values}), ModelError);
  EXPECT_THROW(run("OneHot", {int_tensor({1}), int_tensor({int64_t{1} << 40}), values}), ModelError);
  EXPECT_THROW(run("OneHot", {int_tensor({1}), int_tensor({3}), float_tensor({1}, {1})}), ModelError);
}

TEST(NonZero, ListsPositionsByColumn) {
  expect_values(run("NonZero", {float_tensor({1, 0, 0, -2}, {2, 2})}), {0, 1, 0, 1}, {2, 2});
  expect_values(run("NonZero", {float_tensor({0}, {1})}), {}, {1, 0});
}

TEST(Compress, TakesWhereTheConditionHolds) {
  const Tensor x = count({3, 2}), condition = int_tensor({0, 1, 1}).to(at::kBool);
  expect_values(run("Compress", {x, condition}, {{"axis", int64_t{0}}}), {2, 3, 4, 5}, {2, 2});
  expect_values(run("Compress", {x, int_tensor({0, 1}).to(at::kBool)}, {{"axis", int64_t{-1}}}), {1, 3, 5}, {3, 1});
  expect_values(run("Compress", {x, condition}), {1, 2}, {2});
  EXPECT_THROW(run("Compress", {x, condition}, {{"axis", int64_t{1}}}), ModelError);
}

TEST(ScatterElements, WritesOrReduces) {
  const Tensor x = float_tensor({1, 2, 3}, {1, 3}), where = int_tensor({1, -1, 1}).reshape({1, 3});
  const Tensor updates = float_tensor({10, 20, 5}, {1, 3});
  const auto scatter = [&](const std::string& reduction, const Tensor& index) {
    return run("ScatterElements", {x, index, updates}, {{"axis", int64_t{1}}, {"reduction", reduction}});
  };
  expect_values(scatter("none", int_tensor({1, -1, 0}).reshape({1, 3})), {5, 10, 20}, {1, 3});
  expect_values(scatter("add", where), {1, 17, 23}, {1, 3});
  expect_values(scatter("mul", where), {1, 100, 60}, {1, 3});
  expect_values(scatter("min", where), {1, 2, 3}, {1, 3});
  expect_values(scatter("max", where), {1, 10, 20}, {1, 3});
  EXPECT_THROW(scatter("mean", where), ModelError);
  EXPECT_THROW(scatter("add", int_tensor({1, 0}).reshape({1, 2})), ModelError);  // fewer than there are updates
}

TEST(TensorScatter, WritesFromThePositionOfEachSampleOn) {
  const Tensor cache = at::zeros({2, 3, 1}), update = float_tensor({1, 2, 3, 4}, {2, 2, 1});
  const Tensor from = int_tensor({1, 2});
  expect_values(run("TensorScatter", {cache, update}), {1, 2, 0, 3, 4, 0}, {2, 3, 1});
  expect_values(run("TensorScatter", {cache, update, from}, {{"mode", std::string("circular")}}), {0, 1, 2, 4, 0, 3},
                {2, 3, 1});
  EXPECT_THROW(run("TensorScatter", {cache, update}, {{"mode", std::string("spiral")}}), ModelError);
}

TEST(ReverseSequence, TurnsTheBeginningOfEachSample) {
  const Tensor x = count({3, 2});  // time, samples
  expect_values(run("ReverseSequence", {x, int_tensor({3, 1})}), {4, 1, 2, 3, 0, 5}, {3, 2});
  const NamedAttributes samples_first{{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}};
  expect_values(run("ReverseSequence", {x, int_tensor({1, 2, 1})}, samples_first), {0, 1, 3, 2, 4, 5}, {3, 2});
  EXPECT_THROW(run("ReverseSequence", {x, int_tensor({1, 2, 1})}), ModelError);
}

TEST(Triangles, AreCutAtTheirDiagonal) {
  const Tensor x = count({2, 3}) + 1;
  expect_values(run("Trilu", {x}), {1, 2, 3, 0, 5, 6}, {2, 3});
  expect_values(run("Trilu", {x, int_tensor({1})}), {0, 2, 3, 0, 0, 6}, {2, 3});
  expect_values(run("Trilu", {x}, {{"upper", int64_t{0}}}), {1, 0, 0, 4, 5, 0}, {2, 3});
  expect_values(run("EyeLike", {x}), {1, 0, 0, 0, 1, 0}, {2, 3});
  expect_values(run("EyeLike", {x}, {{"k", int64_t{-1}}}), {0, 0, 0, 1, 0, 0}, {2, 3});
  EXPECT_EQ(run("EyeLike", {x}, {{"dtype", int64_t{7}}}).scalar_type(), at::kLong);
  EXPECT_THROW(run("EyeLike", {count({2})}), ModelError);
}

TEST(Hardmax, MarksTheFirstOfTheLargest) {
  expect_values(run("Hardmax", {float_tensor({1, 3, 3, 2, 0, 1}, {2, 3})}), {0, 1, 0, 1, 0, 0}, {2, 3});
}

TEST(CenterCropPad, KeepsTheCentre) {
  const Tensor x = count({4}) + 1;
  const auto to = [&](int64_t size) { return run("CenterCropPad", {x, int_tensor({size})}); };
  expect_values(to(2), {2, 3}, {2});
  expect_values(to(1), {2}, {1});
  expect_values(to(4), {1, 2, 3, 4}, {4});
  expect_values(to(7), {0, 1, 2, 3, 4, 0, 0}, {7});
  expect_values(run("CenterCropPad", {count({2, 3}), int_tensor({1})}, {{"axes", Ints{-1}}}), {1, 4}, {2, 1});
  EXPECT_THROW(to(-1), ModelError);
  EXPECT_THROW(run("CenterCropPad", {count({2, 3}), int_tensor({1})}), ModelError);
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  // Two boxes that share 60 %, and one apart; two classes.
  const Tensor boxes = float_tensor({0, 0, 1, 1, 0, 0.25, 1, 1.25, 5, 5, 6, 6}, {1, 3, 4});
  const Tensor scores = float_tensor({0.5, 0.9, 0.1, 0.9, 0.1, 0.2}, {1, 2, 3});
  const Tensor ten = int_tensor({10});
  const auto limit = [](double value) { return float_tensor({value}, {1}); };
  expect_values(run("NonMaxSuppression", {boxes, scores, ten, limit(0.5)}), {0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 2},
                {4, 3});
  expect_values(run("NonMaxSuppression", {boxes, scores, ten, limit(0.7), limit(0.3)}), {0, 0, 1, 0, 0, 0, 0, 1, 0},
                {3, 3});
  expect_values(run("NonMaxSuppression", {boxes, scores, int_tensor({1}), limit(0.5)}), {0, 0, 1, 0, 1, 0}, {2, 3});
  expect_values(run("NonMaxSuppression", {boxes, scores}), {}, {0, 3});
  EXPECT_THROW(run("NonMaxSuppression", {boxes, float_tensor({1}, {1, 1, 1}), ten}), ModelError);
}

TEST(NonMaxSuppression, TakesBoxesByCentreAndCornersInAnyOrder) {
  const Tensor scores = float_tensor({0.5, 0.9}, {1, 1, 2}), ten = int_tensor({10}), half = float_tensor({0.5}, {1});
  const Tensor flipped = float_tensor({1, 1, 0, 0, 0, 1.25, 1, 0.25}, {1, 2, 4});
  expect_values(run("NonMaxSuppression", {flipped, scores, ten, half}), {0, 0, 1}, {1, 3});
  const Tensor centres = float_tensor({0.5, 0.5, 1, 1, 0.75, 0.5, 1, 1}, {1, 2, 4});
  expect_values(run("NonMaxSuppression", {centres, scores, ten, half}, {{"center_point_box", int64_t{1}}}), {0, 0, 1},
                {1, 3});
}

TEST(Selection, HasTheRightDerivatives) {
  const Tensor x = noise({3, 4}), index = int_tensor({0, 2, 1, 0}).reshape({1, 4});
  expect_derivatives({"OneHot", {}, {int_tensor({0, 2}), int_tensor({3}), noise({2})}});
  expect_derivatives({"Compress", {{"axis", int64_t{1}}}, {x, int_tensor({1, 0, 1}).to(at::kBool)}});
  for (const std::string reduction : {"none", "add", "mul", "min", "max"})
    expect_derivatives({"ScatterElements", {{"reduction", reduction}}, {x, index, noise({1, 4})}});
  expect_derivatives({"TensorScatter", {}, {noise({2, 3, 2}), noise({2, 2, 2}), int_tensor({0, 1})}});
  expect_derivatives({"ReverseSequence", {}, {x, int_tensor({3, 1, 2, 3})}});
  expect_derivatives({"Trilu", {}, {x}});
  expect_derivatives({"CenterCropPad", {}, {x, int_tensor({2, 7})}});
}

}  // namespace
}  // namespace vitrail
