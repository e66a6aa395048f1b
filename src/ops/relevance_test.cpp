// Each rule against its formula, written with explicit matrices; what is conserved, and what biases take.

#include "ops/relevance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"
#include "ops/weighted_relevance.h"

namespace vitrail {
namespace {

using derivative::Step;
using Kind = LayerRule::Kind;

/// A layer y = W x + b with its weights as a matrix [outputs, inputs], one row a number of the output.
struct Layer {
  OperatorCase op;
  Tensor matrix, bias;  ///< [J,I], [J]

  /// Read off the operator: column i is what the i-th unit vector gives.
  explicit Layer(const OperatorCase& given) : op(given) {
    const Tensor& x = op.inputs[0];
    OperatorCase bare = op;
    if (bare.inputs.size() > 2) bare.inputs[2] = Tensor();
    bias = (op.run()[0] - bare.run()[0]).flatten();
    const Tensor units = at::eye(x.numel(), at::kDouble);
    Tensors columns;
    for (int64_t i = 0; i < x.numel(); ++i) {
      bare.inputs[0] = units[i].view(x.sizes());
      columns.push_back(bare.run()[0].flatten());
    }
    matrix = at::stack(columns, 1);
  }
};

Tensor positive(const Tensor& t) { return t.clamp_min(0); }
Tensor negative(const Tensor& t) { return t.clamp_max(0); }

/// sum_j q_ij / (sum_i q_ij + b_j) R_j, of contributions q [J,I]; nothing from outputs without any.
Tensor divided(const Tensor& q, const Tensor& b, const Tensor& arrived) {
  const Tensor sum = q.sum(1) + b;
  return at::matmul(at::where(sum.eq(0), 0, arrived / sum), q);
}

Tensor by_formula(const Layer& layer, const LayerRule& rule, const Tensor& arrived) {
  const Tensor a = layer.op.inputs[0].flatten(), &w = layer.matrix, none = at::zeros_like(layer.bias);
  const Tensor b = rule.biases ? layer.bias : none;
  const Tensor q = w * a, up = positive(q), down = negative(q);
  switch (rule.kind) {
    case Kind::epsilon:
      return divided(q, b, arrived);
    case Kind::zplus:
      return divided(up, positive(b), arrived);
    case Kind::alpha_beta:
      return divided(up, positive(b), arrived) * rule.alpha - divided(down, negative(b), arrived) * rule.beta;
    case Kind::gamma: {
      const Tensor z = q.sum(1) + b;
      const Tensor of_positive = divided(q + up * rule.gamma, b + positive(b) * rule.gamma, arrived * z.gt(0));
      return of_positive + divided(q + down * rule.gamma, b + negative(b) * rule.gamma, arrived * z.lt(0));
    }
    case Kind::zbox: {
      const Tensor low = rule.low.expand_as(layer.op.inputs[0]).flatten();
      const Tensor high = rule.high.expand_as(layer.op.inputs[0]).flatten();
      return divided(q - positive(w) * low - negative(w) * high, none, arrived);
    }
    case Kind::wsquare:
      return divided(w * w, none, arrived);
    case Kind::flat:
      return divided(w.ne(0).to(at::kDouble), none, arrived);
    case Kind::pass:
      return arrived;
  }
  return {};
}

std::vector<Layer> layers() {
  const NamedAttributes window = {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 0, 1}}};
  return {Layer({"Gemm", {}, {noise({1, 5}), noise({5, 4}), noise({4})}}),
          Layer({"Gemm",
                 {{"alpha", -0.5}, {"beta", 2.0}, {"transB", int64_t{1}}},
                 {noise({1, 5}), noise({4, 5}), noise({4})}}),
          Layer({"MatMul", {}, {noise({1, 3, 4}), noise({4, 2})}}),
          Layer({"Conv", window, {noise({1, 2, 5, 4}), noise({3, 2, 3, 2}), noise({3})}}),
          Layer({"Conv", {{"group", int64_t{2}}}, {noise({1, 4, 4, 4}), noise({2, 2, 3, 3}), noise({2})}}),
          Layer({"ConvTranspose", {{"strides", Ints{2, 2}}}, {noise({1, 2, 3, 2}), noise({2, 3, 2, 3}), noise({3})}})};
}

LayerRule rule_of(Kind kind) {
  LayerRule rule;
  rule.kind = kind;
  rule.epsilon = 0;
  rule.low = at::full({1}, -3, at::kDouble);
  rule.high = at::full({1}, 4, at::kDouble);
  return rule;
}

class WeightedRule : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Rules, WeightedRule,
                         testing::Values(Kind::epsilon, Kind::gamma, Kind::zplus, Kind::alpha_beta, Kind::zbox,
                                         Kind::wsquare, Kind::flat),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(WeightedRule, IsItsFormula) {
  for (const Layer& layer : layers()) {
    const Tensor arrived = noise(layer.op.run()[0].sizes().vec());
    const Step step(layer.op, {arrived});
    OperatorCase only_x = layer.op;
    only_x.fixed = {1, 2};
    for (const bool biases : {true, false}) {
      LayerRule rule = rule_of(GetParam());
      rule.biases = biases;
      const Relevance found = Step(only_x, {arrived}).relevance(rule);
      EXPECT_EQ(found.rule, name_of(GetParam()));
      const Tensor expected = by_formula(layer, rule, arrived.flatten());
      EXPECT_TRUE(at::allclose(found.sent[0].flatten(), expected, 1e-9, 1e-9)) << layer.op.op << " biases " << biases;
    }
  }
}

/// What there is to share: outputs without positive contributions have no share for them, nor without negative ones.
double shareable(const Layer& layer, const LayerRule& rule, const Tensor& arrived) {
  if (rule.kind != Kind::zplus && rule.kind != Kind::alpha_beta) return arrived.sum().item<double>();
  const Tensor q = layer.matrix * layer.op.inputs[0].flatten();
  const Tensor b = rule.biases ? layer.bias : at::zeros_like(layer.bias);
  const Tensor up = (positive(q).sum(1) + positive(b)).ne(0), down = (negative(q).sum(1) + negative(b)).ne(0);
  const Tensor share = rule.kind == Kind::zplus ? up.to(at::kDouble)
                                                : up.to(at::kDouble) * rule.alpha - down.to(at::kDouble) * rule.beta;
  return (share * arrived.flatten()).sum().item<double>();
}

// What arrives is shared among inputs and biases, and nothing is lost.
TEST_P(WeightedRule, ConservesWithTheBiases) {
  for (const Layer& layer : layers()) {
    OperatorCase only_x = layer.op;
    only_x.fixed = {1, 2};
    const Tensor arrived = noise(layer.op.run()[0].sizes().vec());
    for (const bool biases : {true, false}) {
      LayerRule rule = rule_of(GetParam());
      rule.biases = biases;
      const Relevance found = Step(only_x, {arrived}).relevance(rule);
      const double sum = shareable(layer, rule, arrived);
      EXPECT_NEAR(found.sent[0].sum().item<double>() + found.to_biases, sum, 1e-6 * (1 + std::abs(sum)));
      if (!biases) {
        EXPECT_EQ(found.to_biases, 0);
      }
    }
  }
}

TEST(Relevance, EpsilonTakesItsShare) {
  OperatorCase op{"Gemm", {}, {float_tensor({1, 2}, {1, 2}), float_tensor({3, -1}, {2, 1}), Tensor()}, 1, true, {1}};
  LayerRule rule;
  rule.epsilon = 0.5;  // z = 1: 1/1.5 of what arrives
  expect_values(Step(op, {float_tensor({3}, {1, 1})}).relevance(rule).sent[0], {6, -4}, {1, 2});
  op.inputs[0] = float_tensor({1, 4}, {1, 2});  // z = -1: epsilon has its sign
  expect_values(Step(op, {float_tensor({3}, {1, 1})}).relevance(rule).sent[0], {-6, 8}, {1, 2});
}

TEST(Relevance, NothingIsDividedByNothing) {
  OperatorCase op{"Gemm", {}, {float_tensor({1, 1}, {1, 2}), float_tensor({1, -1}, {2, 1}), Tensor()}, 1, true, {1}};
  LayerRule rule;
  rule.epsilon = 0;
  expect_values(Step(op, {float_tensor({3}, {1, 1})}).relevance(rule).sent[0], {0, 0}, {1, 2});
}

TEST(Relevance, PassNeedsOneShape) {
  LayerRule rule;
  rule.kind = Kind::pass;
  const OperatorCase square{"Gemm", {}, {noise({1, 3}), noise({3, 3})}, 1, true, {1}};
  const Tensor arrived = noise({1, 3});
  EXPECT_EQ(distance(Step(square, {arrived}).relevance(rule).sent[0], arrived), 0);
  const OperatorCase wide{"Gemm", {}, {noise({1, 3}), noise({3, 4})}, 1, true, {1}};
  EXPECT_THROW(Step(wide, {noise({1, 4})}).relevance(rule), UsageError);
}

/// Cases that hand all of what arrives to their inputs.
std::vector<OperatorCase> conserving() {
  const Tensor x = noise({1, 2, 4, 4});
  return {{"Relu", {}, {x}},
          {"Sigmoid", {}, {x}},
          {"Clip", {}, {x, at::tensor(-0.5, at::kDouble), at::tensor(0.5, at::kDouble)}, 1, true, {1, 2}},
          {"Gelu", {}, {x}},
          {"Sign", {}, {x}},
          {"Add", {}, {x, noise({1, 2, 1, 1})}},
          {"Sub", {}, {x, noise({1, 2, 4, 4})}},
          {"Mul", {}, {x, noise({1, 2, 1, 1})}},
          {"Div", {}, {x, noise({1, 2, 4, 4})}},
          {"Max", {}, {x, noise({1, 2, 4, 4})}},
          {"Sum", {}, {x, x, noise({1, 2, 4, 4})}},
          {"Transpose", {{"perm", Ints{0, 2, 3, 1}}}, {x}},
          {"Concat", {{"axis", int64_t{1}}}, {x, noise({1, 3, 4, 4})}},
          {"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {x}},
          {"AveragePool", {{"kernel_shape", Ints{2, 2}}}, {x}},
          {"GlobalAveragePool", {}, {x}},
          {"ReduceMean", {}, {x, int_tensor({1, 2})}, 1, true},
          {"ReduceMax", {}, {x, int_tensor({1, 2})}, 1, true},
          {"MatMul", {}, {noise({1, 3, 4}), noise({1, 4, 2})}},
          {"RMSNormalization", {}, {noise({1, 3, 4}), noise({4})}, 1, true, {1}},
          {"LpNormalization", {}, {noise({1, 3, 4})}}};
}

TEST(Relevance, OperatorsWithoutBiasesConserveIt) {
  LayerRule rule;
  rule.epsilon = 0;
  for (const OperatorCase& op : conserving()) {
    const Tensor arrived = noise(op.run()[0].sizes().vec());
    const Relevance found = Step(op, {arrived}).relevance(rule);
    double sum = 0;
    for (const Tensor& sent : found.sent)
      if (sent.defined()) sum += sent.sum().item<double>();
    EXPECT_NEAR(sum, arrived.sum().item<double>(), 1e-7) << op.op << " by " << found.rule;
    EXPECT_FALSE(found.by_default) << op.op;
  }
}

TEST(Relevance, AddSharesInProportion) {
  LayerRule rule;
  rule.epsilon = 0;
  const OperatorCase op{"Add", {}, {float_tensor({1, 6}, {2}), float_tensor({3, -2}, {2})}};
  const Relevance found = Step(op, {float_tensor({8, 4}, {2})}).relevance(rule);
  expect_values(found.sent[0], {2, 6}, {2});
  expect_values(found.sent[1], {6, -2}, {2});
}

TEST(Relevance, AnAddedConstantIsABias) {
  LayerRule rule;
  rule.epsilon = 0;
  const OperatorCase op{"Add", {}, {float_tensor({1, 6}, {2}), float_tensor({3, -2}, {2})}, 1, true, {1}};
  const Tensor arrived = float_tensor({8, 4}, {2});
  const Relevance found = Step(op, {arrived}).relevance(rule);
  expect_values(found.sent[0], {2, 6}, {2});
  EXPECT_NEAR(found.to_biases, 4, 1e-5);
  rule.biases = false;
  const Relevance without = Step(op, {arrived}).relevance(rule);
  expect_values(without.sent[0], {8, 4}, {2});
  EXPECT_EQ(without.to_biases, 0);
}

TEST(Relevance, BatchNormalizationIsAffine) {
  // y = 2 x + 1
  OperatorCase op{"BatchNormalization",
                  {{"epsilon", 0.0}},
                  {float_tensor({1, 4}, {1, 1, 2}), float_tensor({2}, {1}), float_tensor({1}, {1}),
                   float_tensor({0}, {1}), float_tensor({1}, {1})},
                  1,
                  true,
                  {1, 2, 3, 4}};
  LayerRule rule;
  rule.epsilon = 0;
  const Tensor arrived = float_tensor({3, 9}, {1, 1, 2});
  const Relevance found = Step(op, {arrived}).relevance(rule);
  expect_values(found.sent[0], {2, 8}, {1, 1, 2});
  EXPECT_NEAR(found.to_biases, 2, 1e-5);
  rule.biases = false;
  expect_values(Step(op, {arrived}).relevance(rule).sent[0], {3, 9}, {1, 1, 2});
}

// y = (x - mean) / deviation * scale + bias, deviation frozen: a linear layer whose matrix is known.
TEST(Relevance, LayerNormalizationFreezesItsDeviation) {
  const Tensor x = noise({1, 6}), scale = noise({6}), bias = noise({6}), arrived = noise({1, 6});
  const OperatorCase op{"LayerNormalization", {{"epsilon", 0.0}}, {x, scale, bias}, 1, true, {1, 2}};
  const Tensor centre = at::eye(6, at::kDouble) - 1.0 / 6;
  const Tensor matrix = centre * (scale / x.std(1, false)).view({6, 1});
  for (const bool biases : {true, false}) {
    LayerRule rule;
    rule.epsilon = 0;
    rule.biases = biases;
    const Relevance found = Step(op, {arrived}).relevance(rule);
    const Tensor expected = divided(matrix * x, biases ? bias : at::zeros_like(bias), arrived[0]);
    EXPECT_LT(distance(found.sent[0][0], expected), 1e-7);
    const double sum = found.sent[0].sum().item<double>() + found.to_biases;
    EXPECT_NEAR(sum, arrived.sum().item<double>(), 1e-7);
  }
}

TEST(Relevance, GroupNormalizationFreezesItsDeviation) {
  const Tensor x = noise({1, 4, 3}), arrived = noise({1, 4, 3});
  const OperatorCase op{"GroupNormalization",
                        {{"num_groups", int64_t{2}}, {"epsilon", 0.0}},
                        {x, noise({4}), noise({4})},
                        1,
                        true,
                        {1, 2}};
  LayerRule rule;
  rule.epsilon = 0;
  const Relevance found = Step(op, {arrived}).relevance(rule);
  EXPECT_EQ(found.rule, "normalised");
  EXPECT_NEAR(found.sent[0].sum().item<double>() + found.to_biases, arrived.sum().item<double>(), 1e-7);
  // One group by hand.
  const Tensor part = x[0].narrow(0, 2, 2).flatten(), scale = op.inputs[1].narrow(0, 2, 2).repeat_interleave(3);
  const Tensor bias = op.inputs[2].narrow(0, 2, 2).repeat_interleave(3);
  const Tensor matrix = (at::eye(6, at::kDouble) - 1.0 / 6) * (scale / part.std(0, false)).view({6, 1});
  const Tensor expected = divided(matrix * part, bias, arrived[0].narrow(0, 2, 2).flatten());
  EXPECT_LT(distance(found.sent[0][0].narrow(0, 2, 2).flatten(), expected), 1e-7);
}

// R_i = x_i (R_i - s_i sum R)
TEST(Relevance, SoftmaxIsExpandedToFirstOrder) {
  const Tensor x = noise({2, 5}), arrived = noise({2, 5}), s = x.softmax(1);
  const OperatorCase op{"Softmax", {}, {x}};
  const Tensor expected = x * (arrived - s * arrived.sum(1, true));
  EXPECT_LT(distance(Step(op, {arrived}).relevance().sent[0], expected), 1e-12);
}

/// Attention's rule, node by node: half of what arrives at a product goes to each factor.
TEST(Relevance, AttentionIsItsPartsByTheirRules) {
  const Tensor q = noise({1, 2, 3, 4}), k = noise({1, 2, 5, 4}), v = noise({1, 2, 5, 4}), arrived = noise({1, 2, 3, 4});
  LayerRule rule;
  rule.epsilon = 0;
  const OperatorCase op{"Attention", {{"scale", 0.7}}, {q, k, v}};
  const Relevance found = Step(op, {arrived}).relevance(rule);

  const OperatorCase scores{"MatMul", {}, {q * 0.7, k.transpose(2, 3)}};
  const OperatorCase softmax{"Softmax", {}, {scores.run()[0]}};
  const OperatorCase mixing{"MatMul", {}, {softmax.run()[0], v}};
  const Relevance mixed = Step(mixing, {arrived}).relevance(rule);
  const Relevance expanded = Step(softmax, {mixed.sent[0]}).relevance(rule);
  const Relevance scored = Step(scores, {expanded.sent[0]}).relevance(rule);
  EXPECT_LT(distance(found.sent[2], mixed.sent[1]), 1e-9);
  EXPECT_LT(distance(found.sent[0], scored.sent[0]), 1e-7);
  EXPECT_LT(distance(found.sent[1], scored.sent[1].transpose(2, 3)), 1e-7);
  EXPECT_EQ(found.rule, "attention");
}

TEST(Relevance, WhatHasNoRuleSaysSo) {
  const OperatorCase op{"ReduceProd", {}, {noise({3})}};
  const Relevance found = Step(op, {at::ones({1}, at::kDouble)}).relevance();
  EXPECT_TRUE(found.by_default);
  EXPECT_EQ(found.rule, "share");
}

/// sum of m (x - base) = change of the output, at baselines that cross every kink.
TEST(DeepLift, IsCompleteAcrossKinks) {
  const Tensor x = noise({1, 2, 4, 4}) * 5, other = noise({1, 2, 4, 4}) * 5;
  const Tensor low = at::tensor(0.0, at::kDouble), high = at::tensor(6.0, at::kDouble);
  const std::vector<OperatorCase> cases = {{"Relu", {}, {x}},
                                           {"Clip", {}, {x, low, high}, 1, true, {1, 2}},
                                           {"LeakyRelu", {}, {x}},
                                           {"Sign", {}, {x}},
                                           {"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {x}},
                                           {"MaxPool", {{"kernel_shape", Ints{3, 3}}}, {x}},
                                           {"GlobalMaxPool", {}, {x}},
                                           {"ReduceMin", {}, {x, int_tensor({1, 3})}, 1, true},
                                           {"Max", {}, {x, noise({1, 2, 4, 4})}},
                                           {"Min", {}, {x, noise({1, 2, 4, 4})}},
                                           {"Mul", {}, {x, noise({1, 2, 4, 1})}},
                                           {"MatMul", {}, {x, noise({1, 2, 4, 4})}},
                                           {"Softmax", {}, {x * 0.3}},
                                           {"AveragePool", {{"kernel_shape", Ints{2, 2}}}, {x}}};
  for (const OperatorCase& op : cases) {
    Tensors base = op.inputs, change(base.size());
    base[0] = other;
    if (op.op == "Softmax") base[0] = other * 0.3;
    if (base.size() == 2 && base[1].is_floating_point()) base[1] = noise(base[1].sizes().vec()) * 3;
    const Tensor weight = noise(op.run()[0].sizes().vec());
    OperatorCase there = op;
    there.inputs = base;
    const double expected = (weight * (op.run()[0] - there.run()[0])).sum().item<double>();
    for (size_t i = 0; i < base.size(); ++i) change[i] = op.inputs[i] - base[i];
    const double found = derivative::sum_of_products(Step(op, {weight}).multipliers(base).sent, change);
    EXPECT_NEAR(found, expected, (op.op == "Softmax" ? 1e-4 : 1e-9) * (1 + std::abs(expected))) << op.op;
  }
}

TEST(DeepLift, IsTheGradientWhereNothingChanges) {
  const Tensor x = float_tensor({-1, 0.5, 2}, {3}).to(at::kDouble);
  const OperatorCase op{"Relu", {}, {x}};
  expect_values(Step(op, {float_tensor({5, 5, 5}, {3}).to(at::kDouble)}).multipliers({x}).sent[0], {0, 5, 5}, {3});
  // A change from -1 to 3 of which 3 arrives.
  const OperatorCase moved{"Relu", {}, {float_tensor({3}, {1}).to(at::kDouble)}};
  const Tensors base = {float_tensor({-1}, {1}).to(at::kDouble)};
  expect_values(Step(moved, {at::ones({1}, at::kDouble)}).multipliers(base).sent[0], {0.75}, {1});
}

}  // namespace
}  // namespace vitrail
