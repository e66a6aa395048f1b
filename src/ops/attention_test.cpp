#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensors attend(Tensors inputs, NamedAttributes attributes = {}, size_t outputs = 1) {
  return OperatorCase{"Attention", std::move(attributes), std::move(inputs), outputs}.run();
}

struct Heads {
  Tensor q = noise({2, 4, 3, 5}), k = noise({2, 4, 6, 5}), v = noise({2, 4, 6, 2});

  Tensor scores(double scale) const { return at::matmul(q, k.transpose(-1, -2)) * scale; }
};

Tensor weighted(const Tensor& scores, const Tensor& v) { return at::matmul(at::softmax(scores, -1), v); }

const int64_t on = 1;

TEST(Softmax, SumsToOneAlongItsAxisAndLogSoftmaxIsItsLogarithm) {
  const Tensor x = noise({3, 4, 2});
  const NamedAttributes axis{{"axis", int64_t{-2}}};
  const Tensor y = OperatorCase{"Softmax", axis, {x}}.run()[0];
  EXPECT_LT(distance(y.sum(1), at::ones({3, 2}, at::kDouble)), 1e-12);
  EXPECT_LT(distance(OperatorCase{"LogSoftmax", axis, {x}}.run()[0], at::log(y)), 1e-12);
}

TEST(Attention, IsTheSoftmaxOfScaledScoresTimesTheValues) {
  const Heads h;
  EXPECT_LT(distance(attend({h.q, h.k, h.v})[0], weighted(h.scores(1 / std::sqrt(5.0)), h.v)), 1e-12);
  EXPECT_LT(distance(attend({h.q, h.k, h.v}, {{"scale", 0.3}})[0], weighted(h.scores(0.3), h.v)), 1e-12);
}

TEST(Attention, TakesTokensWithTheHeadsSideBySide) {
  const Heads h;
  const auto side_by_side = [](const Tensor& t) { return t.transpose(1, 2).flatten(2); };
  const Tensor flat = attend({side_by_side(h.q), side_by_side(h.k), side_by_side(h.v)},
                             {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{4}}})[0];
  EXPECT_LT(distance(flat, side_by_side(attend({h.q, h.k, h.v})[0])), 1e-12);
  EXPECT_THROW(attend({side_by_side(h.q), side_by_side(h.k), side_by_side(h.v)}), ModelError);
}

TEST(Attention, SharesEachKeyHeadAmongNeighbouringQueryHeads) {
  const Heads h;
  const Tensor k = h.k.slice(1, 0, 2), v = h.v.slice(1, 0, 2);
  const auto repeated = [](const Tensor& t) { return t.repeat_interleave(2, 1); };
  EXPECT_LT(distance(attend({h.q, k, v})[0], attend({h.q, repeated(k), repeated(v)})[0]), 1e-12);
  EXPECT_THROW(attend({h.q, h.k.slice(1, 0, 3), h.v.slice(1, 0, 3)}), ModelError);
}

TEST(Attention, MasksByBooleanByAddingAndCausally) {
  const Heads h;
  const Tensor scores = h.scores(1 / std::sqrt(5.0));
  const Tensor visible = at::ones({3, 6}, at::kBool).tril(1);
  const Tensor hidden = at::full({}, -std::numeric_limits<double>::infinity(), at::kDouble);
  EXPECT_LT(distance(attend({h.q, h.k, h.v, visible})[0], weighted(at::where(visible, scores, hidden), h.v)), 1e-12);
  const Tensor bias = noise({2, 1, 3, 6});
  EXPECT_LT(distance(attend({h.q, h.k, h.v, bias})[0], weighted(scores + bias, h.v)), 1e-12);
  EXPECT_LT(distance(attend({h.q, h.k, h.v, at::ones({3, 6}, at::kBool).tril()})[0],
                     attend({h.q, h.k, h.v}, {{"is_causal", on}})[0]),
            1e-12);
}

TEST(Attention, HidesKeysThatAShortMaskOrTheLengthsLeaveOut) {
  const Heads h;
  const Tensor expected = attend({h.q, h.k.slice(2, 0, 4), h.v.slice(2, 0, 4)})[0];
  EXPECT_LT(distance(attend({h.q, h.k, h.v, at::ones({3, 4}, at::kBool)})[0], expected), 1e-12);
  const Tensor padded = attend({h.q, h.k, h.v, Tensor(), Tensor(), Tensor(), int_tensor({4, 6})})[0];
  EXPECT_LT(distance(padded[0], expected[0]), 1e-12);
  EXPECT_LT(distance(padded[1], attend({h.q, h.k, h.v})[0][1]), 1e-12);
}

TEST(Attention, PutsThePastBeforeThePresent) {
  const Heads h;
  const Tensors past{h.q, h.k.slice(2, 4), h.v.slice(2, 4), Tensor(), h.k.slice(2, 0, 4), h.v.slice(2, 0, 4)};
  const Tensors out = attend(past, {}, 3);
  EXPECT_LT(distance(out[0], attend({h.q, h.k, h.v})[0]), 1e-12);
  EXPECT_LT(distance(out[1], h.k), 1e-12);
  EXPECT_LT(distance(out[2], h.v), 1e-12);
  // The diagonal of a causal mask starts behind the past.
  EXPECT_LT(
      distance(attend(past, {{"is_causal", on}})[0], attend({h.q, h.k, h.v, at::ones({3, 6}, at::kBool).tril(4)})[0]),
      1e-12);
}

TEST(Attention, GivesTheScoresAtTheWantedStage) {
  const Heads h;
  const Tensor bias = noise({3, 6}), raw = h.scores(1 / std::sqrt(5.0)), capped = (raw / 2).tanh() * 2;
  const Tensor expected[] = {raw, capped, capped + bias, at::softmax(capped + bias, -1)};
  for (int64_t mode = 0; mode < 4; ++mode) {
    const Tensors out = attend({h.q, h.k, h.v, bias}, {{"softcap", 2.0}, {"qk_matmul_output_mode", mode}}, 4);
    EXPECT_LT(distance(out[3], expected[mode]), 1e-12) << "mode " << mode;
    EXPECT_LT(distance(out[0], weighted(capped + bias, h.v)), 1e-12);
  }
  EXPECT_THROW(attend({h.q, h.k, h.v}, {{"qk_matmul_output_mode", int64_t{4}}}, 4), ModelError);
}

TEST(RotaryEmbedding, TurnsPairsByTheAngleOfTheirPosition) {
  // One sample, one head, two positions, two features: a point turned by 90 and by 180 degrees.
  const Tensor x = float_tensor({1, 2, 3, 4}, {1, 1, 2, 2});
  const Tensor cosine = float_tensor({0, -1}, {2, 1}), sine = float_tensor({1, 0}, {2, 1});
  const auto turn = [](Tensors in, NamedAttributes attributes = {}) {
    return OperatorCase{"RotaryEmbedding", std::move(attributes), std::move(in)}.run()[0];
  };
  expect_values(turn({x, cosine, sine, int_tensor({0, 1}).unsqueeze(0)}), {-2, 1, -3, -4}, {1, 1, 2, 2});
  expect_values(turn({x, cosine, sine, int_tensor({1, 0}).unsqueeze(0)}), {-1, -2, -4, 3}, {1, 1, 2, 2});
  expect_values(turn({x, cosine.unsqueeze(0), sine.unsqueeze(0)}), {-2, 1, -3, -4}, {1, 1, 2, 2});
  EXPECT_THROW(turn({x.reshape({1, 2, 2}), cosine, sine}), ModelError);
  EXPECT_THROW(turn({x, cosine, sine}, {{"rotary_embedding_dim", int64_t{3}}}), ModelError);
}

TEST(RotaryEmbedding, KeepsLengthsWhicheverFeaturesArePartners) {
  const Tensor x = noise({2, 3, 4, 8}), angle = noise({2, 4, 3});
  for (int64_t interleaved : {0, 1}) {
    const NamedAttributes attributes{{"interleaved", interleaved}, {"rotary_embedding_dim", int64_t{6}}};
    const Tensor y = OperatorCase{"RotaryEmbedding", attributes, {x, angle.cos(), angle.sin()}}.run()[0];
    EXPECT_LT(distance((y * y).sum(3), (x * x).sum(3)), 1e-12);
    EXPECT_EQ(distance(y.narrow(3, 6, 2), x.narrow(3, 6, 2)), 0) << "these are not turned";
    EXPECT_GT(distance(y, x), 0.1);
  }
}

TEST(Attention, HasTheRightDerivatives) {
  const Tensor q = noise({1, 2, 3, 2}), k = noise({1, 1, 3, 2}), v = noise({1, 1, 3, 2}), bias = noise({3, 3});
  expect_derivatives({"Attention", {}, {q, q, q}});
  expect_derivatives({"Attention", {{"is_causal", on}, {"softcap", 2.0}}, {q, k, v, bias}});
  expect_derivatives({"Attention", {}, {q, k, v, at::ones({3, 3}, at::kBool).tril()}});
  expect_derivatives({"Attention",
                      {{"qk_matmul_output_mode", int64_t{3}}},
                      {q, k, v, bias, noise({1, 1, 2, 2}).slice(2, 0, 0), noise({1, 1, 0, 2})},
                      4});
  expect_derivatives({"Softmax", {{"axis", int64_t{1}}}, {noise({2, 3, 2})}});
  expect_derivatives({"LogSoftmax", {}, {noise({2, 3})}});
  for (int64_t interleaved : {0, 1})
    expect_derivatives(
        {"RotaryEmbedding", {{"interleaved", interleaved}}, {noise({1, 2, 3, 4}), noise({1, 3, 2}), noise({1, 3, 2})}});
}

}  // namespace
}  // namespace vitrail
