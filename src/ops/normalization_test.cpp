#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensors run(const std::string& op, NamedAttributes attributes, Tensors inputs, size_t outputs = 1) {
  return OperatorCase{op, std::move(attributes), std::move(inputs), outputs}.run();
}

Tensor ones(int64_t n) { return at::ones({n}, at::kDouble); }
Tensor zeros(int64_t n) { return at::zeros({n}, at::kDouble); }

TEST(BatchNormalization, UsesTheStoredStatistics) {
  const Tensor x = float_tensor({1, 2, 3, 4}, {1, 2, 2});
  const Tensor y = run("BatchNormalization", {{"epsilon", 1.0}},
                       {x, float_tensor({2, 1}, {2}), float_tensor({10, 0}, {2}), float_tensor({1, 3}, {2}),
                        float_tensor({3, 0}, {2})})[0];
  expect_values(y, {10, 11, 0, 1}, {1, 2, 2});
}

TEST(BatchNormalization, InTrainingModeUsesTheBatchAndMovesTheStoredStatistics) {
  const Tensor x = noise({4, 3, 5});
  const Tensors out = run("BatchNormalization", {{"training_mode", int64_t{1}}, {"momentum", 0.75}, {"epsilon", 0.0}},
                          {x, ones(3), zeros(3), zeros(3), ones(3)}, 3);
  EXPECT_LT(distance(out[0].mean({0, 2}), zeros(3)), 1e-12);
  EXPECT_LT(distance(out[0].var({0, 2}, false), ones(3)), 1e-12);
  EXPECT_LT(distance(out[1], x.mean({0, 2}) * 0.25), 1e-12);
  EXPECT_LT(distance(out[2], x.var({0, 2}, false) * 0.25 + 0.75), 1e-12);
}

TEST(LayerNormalization, CentresAndScalesTheLastAxes) {
  const Tensor x = noise({2, 3, 4});
  const Tensors out =
      run("LayerNormalization", {{"axis", int64_t{-2}}, {"epsilon", 0.0}}, {x, at::ones({3, 4}, at::kDouble)}, 3);
  EXPECT_LT(distance(out[0].mean({1, 2}), zeros(2)), 1e-12);
  EXPECT_LT(distance(out[0].var({1, 2}, false), ones(2)), 1e-12);
  EXPECT_EQ(out[1].sizes().vec(), (Ints{2, 1, 1}));
  EXPECT_LT(distance((x - out[1]) * out[2], out[0]), 1e-12);
}

TEST(LayerNormalization, ScaleAndBiasBroadcast) {
  const Tensor x = noise({2, 3, 4}), scale = noise({4}), bias = noise({3, 1});
  const NamedAttributes axis{{"axis", int64_t{1}}};
  const Tensor plain = run("LayerNormalization", axis, {x, at::ones({3, 4}, at::kDouble)})[0];
  EXPECT_LT(distance(run("LayerNormalization", axis, {x, scale, bias})[0], plain * scale + bias), 1e-12);
}

TEST(GroupNormalization, NormalisesEachGroupAndScalesEachChannel) {
  const Tensor x = noise({2, 4, 3}), scale = noise({4}), bias = noise({4});
  const NamedAttributes halves{{"num_groups", int64_t{2}}, {"epsilon", 0.0}};
  const Tensor plain = run("GroupNormalization", halves, {x, ones(4), zeros(4)})[0];
  const Tensor groups = plain.reshape({2, 2, 6});
  EXPECT_LT(distance(groups.mean(2), at::zeros({2, 2}, at::kDouble)), 1e-12);
  EXPECT_LT(distance(groups.var(2, false), at::ones({2, 2}, at::kDouble)), 1e-12);
  const Tensor scaled = run("GroupNormalization", halves, {x, scale, bias})[0];
  EXPECT_LT(distance(scaled, plain * scale.reshape({4, 1}) + bias.reshape({4, 1})), 1e-12);
  // One value a group, as before opset 21, is the same value for all of its channels.
  const Tensor grouped = run("GroupNormalization", halves, {x, scale.slice(0, 0, 2), bias.slice(0, 0, 2)})[0];
  const Tensor wide = scale.slice(0, 0, 2).repeat_interleave(2), wide_bias = bias.slice(0, 0, 2).repeat_interleave(2);
  EXPECT_LT(distance(grouped, run("GroupNormalization", halves, {x, wide, wide_bias})[0]), 1e-12);
}

TEST(InstanceNormalization, IsGroupNormalizationWithOneGroupAChannel) {
  const Tensor x = noise({2, 4, 3, 5}), scale = noise({4}), bias = noise({4});
  EXPECT_LT(distance(run("InstanceNormalization", {}, {x, scale, bias})[0],
                     run("GroupNormalization", {{"num_groups", int64_t{4}}}, {x, scale, bias})[0]),
            1e-12);
}

TEST(Normalization, RefusesParametersOfTheWrongLength) {
  const Tensor x = noise({2, 4, 3});
  EXPECT_THROW(run("BatchNormalization", {}, {x, ones(3), zeros(4), zeros(4), ones(4)}), ModelError);
  EXPECT_THROW(run("GroupNormalization", {{"num_groups", int64_t{3}}}, {x, ones(4), zeros(4)}), ModelError);
  EXPECT_THROW(run("GroupNormalization", {}, {x, ones(4), zeros(4)}), ModelError);
  EXPECT_THROW(run("InstanceNormalization", {}, {x, ones(3), zeros(4)}), ModelError);
}

TEST(RmsNormalization, ScalesToUnitMeanSquare) {
  const Tensor x = noise({2, 3, 4}), scale = noise({4});
  const Tensor y = run("RMSNormalization", {{"epsilon", 0.0}}, {x, at::ones({4}, at::kDouble)})[0];
  EXPECT_LT(distance((y * y).mean({2}), at::ones({2, 3}, at::kDouble)), 1e-12);
  EXPECT_LT(distance(run("RMSNormalization", {{"epsilon", 0.0}}, {x, scale})[0], y * scale), 1e-12);
}

TEST(Lrn, SumsSquaresOverNeighbouringChannels) {
  // size 4: one channel before, two after.
  const Tensor x = float_tensor({1, 2, 3, 4}, {1, 4, 1});
  const NamedAttributes attributes{{"size", int64_t{4}}, {"alpha", 4.0}, {"beta", 1.0}, {"bias", 2.0}};
  expect_values(run("LRN", attributes, {x})[0], {1 / 16.0, 2 / 32.0, 3 / 31.0, 4 / 27.0}, {1, 4, 1});
  EXPECT_THROW(run("LRN", {{"size", int64_t{0}}}, {x}), ModelError);
}

TEST(LpNormalization, GivesUnitNormAndLeavesZeroAlone) {
  const Tensor x = float_tensor({3, -4, 0, 0}, {2, 2});
  expect_values(run("LpNormalization", {}, {x})[0], {0.6, -0.8, 0, 0}, {2, 2});
  expect_values(run("LpNormalization", {{"p", int64_t{1}}}, {x})[0], {3 / 7.0, -4 / 7.0, 0, 0}, {2, 2});
  EXPECT_THROW(run("LpNormalization", {{"p", int64_t{3}}}, {x}), ModelError);
}

TEST(MeanVarianceNormalization, CentresAndScalesEachChannel) {
  const Tensor y = run("MeanVarianceNormalization", {}, {noise({3, 2, 4, 5}) * 7 + 2})[0];
  EXPECT_LT(distance(y.mean({0, 2, 3}), zeros(2)), 1e-12);
  EXPECT_LT(distance(y.var({0, 2, 3}, false), ones(2)), 1e-6);
}

TEST(Normalization, HasTheRightDerivatives) {
  const Tensor x = noise({2, 4, 3}), scale = noise({4}), bias = noise({4});
  const Tensor mean = noise({4}), variance = noise({4}).square() + 0.5;
  expect_derivatives({"BatchNormalization", {}, {x, scale, bias, mean, variance}, 1, false, {3, 4}});
  expect_derivatives({"BatchNormalization", {{"training_mode", int64_t{1}}}, {x, scale, bias, mean, variance}, 3});
  expect_derivatives({"LayerNormalization", {}, {x, noise({3}), noise({3})}});
  expect_derivatives({"LayerNormalization", {{"axis", int64_t{1}}}, {x, noise({3})}, 3});
  expect_derivatives({"GroupNormalization", {{"num_groups", int64_t{2}}}, {x, scale, bias}});
  expect_derivatives({"GroupNormalization", {{"num_groups", int64_t{2}}}, {x, noise({2}), noise({2})}});
  expect_derivatives({"RMSNormalization", {}, {x, noise({3})}});
  expect_derivatives({"LRN", {{"size", int64_t{3}}, {"alpha", 0.7}}, {x}});
  for (int64_t p : {1, 2}) expect_derivatives({"LpNormalization", {{"axis", int64_t{1}}, {"p", p}}, {x}});
  expect_derivatives({"MeanVarianceNormalization", {{"axes", Ints{0, -1}}}, {x}});
  expect_derivatives({"InstanceNormalization", {}, {x, scale, bias}});
}

}  // namespace
}  // namespace vitrail
