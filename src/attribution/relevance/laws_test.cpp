// The laws that every relevance method obeys, whatever its rules.

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <atomic>

#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/relevance/networks_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() / (b.max() - b.min()).item<double>();
}

class RelevanceLaws : public ::testing::TestWithParam<const char*> {
 protected:
  std::string method() const { return GetParam(); }
  bool needs_attention() const {
    return method().find("rollout") != std::string::npos || method().starts_with("legrad");
  }
  bool knows_targets() const { return !method().starts_with("attention_rollout"); }
  const Model& model() const {
    static const Model convolutions = load(conv_net({.batch_norm = true, .reuse = true})), transformer = load(vit());
    return needs_attention() || method().starts_with("attn") ? transformer : convolutions;
  }
  std::vector<Explanation> explain(const Tensor& input, const std::vector<int64_t>& targets = {0, 2},
                                   const Execution& execution = {}) const {
    return explain_by(method(), model(), input, targets, execution);
  }
};
INSTANTIATE_TEST_SUITE_P(Methods, RelevanceLaws,
                         ::testing::Values("lrp", "lrp:composite=epsilon", "lrp:composite=gamma,gamma=0.4",
                                           "lrp:composite=epsilon_gamma_box", "lrp:composite=epsilon_plus",
                                           "lrp:composite=epsilon_alpha2_beta1",
                                           "lrp:composite=epsilon_alpha2_beta1_flat,biases=false",
                                           "lrp:composite=excitation_backprop", "lrp:layer=p,channels=1+4",
                                           "lrp:rules=c2:gamma", "attn_lrp", "attn_lrp:gamma=0.1", "deeplift",
                                           "deeplift:baseline=mean", "attention_rollout", "gradient_rollout",
                                           "legrad"));

TEST_P(RelevanceLaws, FillsTheResult) {
  const auto results = explain(photo8());
  ASSERT_EQ(results.size(), 2u);
  for (const Explanation& result : results) {
    EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{8, 8}));
    EXPECT_EQ(result.map.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_GT(result.map.abs().max().item<double>(), 0);
    EXPECT_EQ(result.cells.defined(), needs_attention());
    EXPECT_EQ(result.completeness_gap.has_value(), !needs_attention());
    EXPECT_FALSE(result.partial);
    EXPECT_EQ(parse_method(result.method)->canonical(), result.method);
    if (!needs_attention()) {
      EXPECT_TRUE(result.plan.contains("rules"));
    }
    if (!result.is_signed) {
      EXPECT_GE(result.map.min().item<double>(), 0);
    }
  }
  EXPECT_NEAR(results[1].score, model().logits(photo8())[0][2].item<double>(), 1e-5);
}

TEST_P(RelevanceLaws, SameBytesTwiceAndForAnyBatchAndThreads) {
  const auto first = explain(photo8());
  Execution execution;
  execution.batch = 64;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto second = explain(photo8(), {0, 2}, execution);
  at::set_num_threads(threads);
  for (size_t t = 0; t < first.size(); ++t) {
    EXPECT_LT(difference(second[t].map, first[t].map), 1e-5);
    EXPECT_TRUE(at::equal(explain(photo8())[t].map, first[t].map));
  }
}

TEST_P(RelevanceLaws, TargetsTogetherAreTargetsAlone) {
  const auto together = explain(photo8(), {0, 2, 3});
  for (size_t t = 0; t < together.size(); ++t)
    EXPECT_TRUE(at::equal(together[t].map, explain(photo8(), {std::vector<int64_t>{0, 2, 3}[t]})[0].map));
  if (knows_targets()) {
    EXPECT_GT(difference(together[0].map, together[1].map), 1e-3);
  }
}

TEST_P(RelevanceLaws, InputsTogetherAreInputsAlone) {
  const Tensor other = waves({1, 3, 8, 8}, 0.91);
  const auto together = explain(at::cat({photo8(), other}));
  ASSERT_EQ(together.size(), 4u);
  EXPECT_TRUE(at::equal(together[1].map, explain(photo8())[1].map));
  EXPECT_TRUE(at::equal(together[2].map, explain(other)[0].map));
}

TEST_P(RelevanceLaws, LeavesTheInputAlone) {
  const Tensor input = photo8(), copy = input.clone();
  explain(input);
  EXPECT_TRUE(at::equal(input, copy));
}

TEST_P(RelevanceLaws, CostsWhatItSays) {
  const auto results = explain(photo8());
  const Method::Cost cost = parse_method(method())->cost(8, 8, 2);
  EXPECT_EQ(results[0].forwards, cost.forwards);
  EXPECT_EQ(results[0].backwards, cost.backwards);
}

TEST_P(RelevanceLaws, CancelledIsZeroAndSaysSo) {
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto results = explain(photo8(), {0, 2}, execution);
  EXPECT_TRUE(results[0].partial);
  EXPECT_EQ(results[0].map.abs().max().item<double>(), 0);
  EXPECT_FALSE(results[0].warnings.empty());
}

// Enough for the first target: it is whole, the second is missing and says so.
TEST_P(RelevanceLaws, ABudgetGivesAValidPartialResult) {
  if (!knows_targets()) GTEST_SKIP() << "one backward serves all targets";
  Execution execution;
  execution.budget.forwards = parse_method(method())->cost(8, 8, 1).forwards + 1;
  const auto results = explain(photo8(), {0, 2}, execution), whole = explain(photo8());
  EXPECT_TRUE(results[1].partial);
  EXPECT_TRUE(at::equal(results[0].map, whole[0].map));
  EXPECT_EQ(results[1].map.abs().max().item<double>(), 0);
  EXPECT_FALSE(results[1].warnings.empty());
}

TEST_P(RelevanceLaws, IdentityInFrontChangesNothing) {
  if (method().find("layer=") != std::string::npos) GTEST_SKIP() << "its layer is named in the net without it";
  testing::OnnxBuilder with =
      needs_attention() || method().starts_with("attn") ? vit() : conv_net({.batch_norm = true, .reuse = true});
  auto& graph = *with.proto().mutable_graph();
  for (auto& node : *graph.mutable_node())
    for (auto& input : *node.mutable_input())
      if (input == "x") input = "same";
  with.node("Identity", {"x"}, {"same"});
  for (int i = graph.node_size() - 1; i > 0; --i) graph.mutable_node()->SwapElements(i, i - 1);
  const auto found = explain_by(method(), load(with), photo8(), {0, 2}), expected = explain(photo8());
  for (size_t t = 0; t < found.size(); ++t) EXPECT_LT(difference(found[t].map, expected[t].map), 1e-5);
}

TEST_P(RelevanceLaws, ZeroScoreIsDiagnosed) {
  if (!knows_targets()) GTEST_SKIP() << "attention flows whatever the score";
  testing::OnnxBuilder net =
      needs_attention() || method().starts_with("attn") ? vit() : conv_net({.batch_norm = true, .reuse = true});
  net.initializer("nothing", at::zeros({}));
  auto& graph = *net.proto().mutable_graph();
  graph.mutable_output(0)->set_name("none");
  net.node("Mul", {"y", "nothing"}, {"none"});
  const Explanation result = explain_by(method(), load(net), photo8())[0];
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("zero everywhere")));
}

TEST_P(RelevanceLaws, FunctionsAreRefused) {
  EXPECT_THAT(message_of<UsageError>([&] { parse_method(method())->explain(curved_scorer(3, 8, 8), photo8(), {}); }),
              HasSubstr("operators of a network"));
}

// Pixels that the score does not read.
TEST_P(RelevanceLaws, UnusedPixelsGetNothing) {
  if (needs_attention()) GTEST_SKIP() << "a patch has attention before it has meaning";
  if (method().find("flat") != std::string::npos || method() == "lrp" || method().find("rules=") != std::string::npos ||
      method().find("layer=") != std::string::npos)
    GTEST_SKIP() << "the flat rule gives to every connection, whatever its weight";
  testing::OnnxBuilder net;
  net.input("x", {-1, 3, 8, 8}).initializer("axis", at::tensor(std::vector<int64_t>{3}, at::kLong));
  net.initializer("from", at::tensor(std::vector<int64_t>{0}, at::kLong))
      .initializer("to", at::tensor(std::vector<int64_t>{5}, at::kLong));
  net.node("Slice", {"x", "from", "to", "axis"}, {"left"}).node("Flatten", {"left"}, {"f"});
  net.initializer("w", waves({120, 6}, 0.7)).node("MatMul", {"f", "w"}, {"h"}).node("Relu", {"h"}, {"a"});
  net.initializer("v", waves({6, 4}, 1.1)).node("MatMul", {"a", "v"}, {"y"}).output("y");
  const Tensor map = explain_by(method(), load(net), photo8())[0].map;
  EXPECT_EQ(map.narrow(1, 5, 3).abs().max().item<double>(), 0);
  EXPECT_GT(map.narrow(1, 0, 5).abs().max().item<double>(), 0);
}

/// Channels and pixels in another order, with matching weights: the map moves with them.
TEST_P(RelevanceLaws, FlippedNetsHaveFlippedMaps) {
  if (needs_attention() || method().starts_with("attn") || method().find("layer=") != std::string::npos ||
      method().find("rules=") != std::string::npos)
    GTEST_SKIP() << "written for the names and shapes of a dense net";
  const auto net = [](bool flipped) {
    testing::OnnxBuilder built;
    const Tensor w = waves({3, 8, 8, 6}, 0.7);
    built.input("x", {-1, 3, 8, 8}).node("Flatten", {"x"}, {"f"});
    built.initializer("w", (flipped ? w.flip({0, 2}) : w).reshape({192, 6})).node("MatMul", {"f", "w"}, {"h"});
    built.node("Relu", {"h"}, {"a"}).initializer("v", waves({6, 4}, 1.1)).node("MatMul", {"a", "v"}, {"y"}).output("y");
    return load(built);
  };
  const Tensor map = explain_by(method(), net(false), photo8())[0].map;
  const Tensor flipped = explain_by(method(), net(true), photo8().flip({1, 3}))[0].map;
  if ((map.max() - map.min()).item<double>() > 0) {
    EXPECT_LT(difference(flipped.flip({1}), map), 1e-4);
  } else {
    EXPECT_LT((flipped - map).abs().max().item<double>(), 1e-6);  // flat: every pixel alike
  }
}

}  // namespace
}  // namespace vitrail
