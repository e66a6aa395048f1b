// The reverse walk by the plain rule is the gradient of autograd, over every kind of graph.

#include "attribution/relevance/walk.h"

#include <ATen/ops/allclose.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include "attribution/relevance/networks_for_tests.h"

namespace vitrail {
namespace {

struct Case {
  std::string name;
  testing::OnnxBuilder net;
};

std::vector<Case> cases() {
  return {{"relu", conv_net()},
          {"batch_norm", conv_net({.batch_norm = true})},
          {"clip", conv_net({.activation = "Clip"})},
          {"reuse", conv_net({.reuse = true})},
          {"vit", vit()},
          {"vit_mean", vit({.class_token = false})},
          {"vit_relu", vit({.norms = false})}};
}

Tensor by_autograd(const Probe& probe, const Tensor& input, BackwardRule rule, int64_t target) {
  const Tensor x = input.detach().requires_grad_(true);
  return gradient({probe.score_with_rule(x, rule).select(1, target).sum()}, {x})[0][0];
}

Tensor by_walk(const RelevanceGraph& graph, const Probe& probe, const Tensor& input, BackwardRule rule, size_t target) {
  const Tensors values = graph.forward(input);
  const Tensor seed = target_gradient(graph, input[0], values[graph.output()], probe.targets()[target]);
  Walk walk;
  walk.backward_rule = rule;
  return as_planes(graph, walk_back(graph, values, seed, walk).at_input, input[0]);
}

TEST(Walk, ByThePlainRuleIsTheGradient) {
  for (const Case& c : cases()) {
    const Model model = load(c.net);
    const auto probe = model.probe(classes({0, 3}));
    for (const bool merge : {false, true}) {
      const RelevanceGraph graph(model, merge);
      for (size_t t = 0; t < 2; ++t) {
        const Tensor found = by_walk(graph, *probe, photo8(), BackwardRule::plain, t);
        EXPECT_TRUE(at::allclose(found, by_autograd(*probe, photo8(), BackwardRule::plain, static_cast<int64_t>(t)),
                                 1e-4, 1e-6))
            << c.name << " merge " << merge;
      }
    }
  }
}

TEST(Walk, GuidedAndDeconvAreTheGraphsOwn) {
  for (const Case& c : cases()) {
    const Model model = load(c.net);
    const auto probe = model.probe(classes({2}));
    const RelevanceGraph graph(model, false);
    for (const BackwardRule rule : {BackwardRule::guided, BackwardRule::deconv})
      EXPECT_TRUE(
          at::allclose(by_walk(graph, *probe, photo8(), rule, 0), by_autograd(*probe, photo8(), rule, 0), 1e-4, 1e-6))
          << c.name;
  }
}

// One Relu node whose output is used twice, and one operator that is used by two nodes of the file.
TEST(Walk, EachUseIsANodeOfItsOwn) {
  testing::OnnxBuilder net;
  net.input("x", {-1, 1, 2, 2}).node("Relu", {"x"}, {"a"}).initializer("two", at::ones({}) * 2);
  net.node("Sub", {"a", "two"}, {"b"}).node("Relu", {"b"}, {"c"}).node("Add", {"a", "c"}, {"sum"});
  net.node("Flatten", {"sum"}, {"y"}).output("y");
  const Model model = load(net);
  const auto probe = model.probe(classes({3}));
  const RelevanceGraph graph(model, false);
  const Tensor x = at::tensor({-1.f, 1.f, 5.f, 7.f}).view({1, 1, 2, 2});
  const Tensor expected = at::tensor({0.f, 0.f, 0.f, 2.f}).view({1, 2, 2});
  EXPECT_TRUE(at::allclose(by_walk(graph, *probe, x, BackwardRule::plain, 0), expected));
}

TEST(Walk, ProbabilitiesAreDifferentiatedToo) {
  const Model model = load(conv_net());
  std::vector<Target> targets = classes({1});
  targets[0].unit = TargetUnit::probability;
  const auto probe = model.probe(targets);
  const RelevanceGraph graph(model, false);
  EXPECT_TRUE(at::allclose(by_walk(graph, *probe, photo8(), BackwardRule::plain, 0),
                           by_autograd(*probe, photo8(), BackwardRule::plain, 0), 1e-4, 1e-7));
}

TEST(Walk, MergesWhatScalesAndShiftsALayer) {
  const Model model = load(conv_net({.batch_norm = true}));
  const auto count = [](const RelevanceGraph& graph, const std::string& type) {
    int64_t found = 0;
    for (const auto& node : graph.nodes()) found += node.type() == type;
    return found;
  };
  EXPECT_EQ(count(RelevanceGraph(model, false), "BatchNormalization"), 2);
  EXPECT_EQ(count(RelevanceGraph(model, true), "BatchNormalization"), 0);
  EXPECT_EQ(count(RelevanceGraph(model, true, "c1"), "BatchNormalization"), 1);  // c1 stays visible
  const Model transformer = load(vit());
  EXPECT_EQ(count(RelevanceGraph(transformer, false), "MatMul"), 12);
  EXPECT_EQ(count(RelevanceGraph(transformer, true), "Gemm"), 13);
}

TEST(Walk, FirstLayersHaveNothingWeightedBeforeThem) {
  const RelevanceGraph graph(load(conv_net()), true);
  std::vector<bool> first;
  for (const auto& node : graph.nodes())
    if (node.weighted) first.push_back(node.first);
  EXPECT_EQ(first, (std::vector<bool>{true, false, false}));
}

TEST(Walk, LayersOffTheWayAreRefused) {
  const RelevanceGraph graph(load(conv_net()), true);
  EXPECT_THROW(graph.find("nothing"), UsageError);
  EXPECT_THROW(graph.find("w1"), UsageError);
}

}  // namespace
}  // namespace vitrail
