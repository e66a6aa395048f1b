// Attention methods against their formulas, on probabilities and gradients that the graph itself gives: fed and fetched
// at the softmax of graphs loaded without rewrites, where the softmax is a node.

#include <vitrail/attention_rollout.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <cstdlib>

#include "attribution/maps.h"
#include "attribution/relevance/networks_for_tests.h"
#include "support/corpus.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

bool close(const Tensor& a, const Tensor& b, double tolerance = 1e-4) {
  return a.sizes() == b.sizes() && (a - b).abs().max().item<double>() <= tolerance * b.abs().max().item<double>();
}

/// Probabilities and gradients [heads,tokens,tokens] of the softmax values `names`, by autograd of the graph.
struct Oracle {
  Tensors probabilities, gradients;
  Oracle(const Graph& graph, const std::string& input, const Tensor& x, const std::string& output, int64_t target,
         const std::vector<std::string>& names) {
    for (const std::string& name : names) probabilities.push_back(graph.run({{input, x}}, {name})[0]);
    for (size_t i = 0; i < names.size(); ++i) {
      const Tensor leaf = probabilities[i].detach().requires_grad_(true);
      const Tensor score = graph.run({{input, x}, {names[i], leaf}}, {output})[0].select(1, target).sum();
      gradients.push_back(gradient({score}, {leaf})[0][0]);
    }
    for (Tensor& p : probabilities) p = p[0];
  }

  Tensor identity() const { return at::eye(probabilities[0].size(1), at::kFloat); }
  Tensor rollout(double residual) const {
    Tensor flow = identity();
    for (const Tensor& p : probabilities) flow = at::matmul(p.mean(0) * (1 - residual) + identity() * residual, flow);
    return flow;
  }
  Tensor gradient_rollout() const {
    Tensor flow = identity();
    for (size_t i = 0; i < probabilities.size(); ++i)
      flow = flow + at::matmul((gradients[i] * probabilities[i]).relu().mean(0), flow);
    return flow - identity();
  }
  Tensor legrad() const {
    Tensor sum = at::zeros({probabilities[0].size(1)});
    for (const Tensor& g : gradients) sum = sum + g.relu().mean(0).mean(0);
    return sum;
  }
};

/// Row of the tokens that are read, less the tokens in front, as a grid.
Tensor cells_of(const Tensor& row, int64_t extra, int64_t side) {
  return row.narrow(0, extra, side * side).view({side, side});
}

TEST(AttentionRollout, IsItsFormulaOnTwoLayers) {
  for (const bool class_token : {true, false}) {
    const auto path = vit({.class_token = class_token}).save();
    const Model model = Model::load(path, {.preprocess = "unit"});
    const Oracle oracle(Graph::load(path, {.canonical = false}), "x", photo8(), "y", 2, {"p0", "p1"});
    const int64_t extra = class_token ? 1 : 0;
    const auto read = [&](const Tensor& flow) { return cells_of(class_token ? flow[0] : flow.mean(0), extra, 4); };
    const auto cells = [&](const std::string& method) { return explain_by(method, model, photo8(), {2})[0].cells; };
    EXPECT_TRUE(close(cells("attention_rollout"), read(oracle.rollout(0.5))));
    EXPECT_TRUE(close(cells("attention_rollout:residual=0.2"), read(oracle.rollout(0.2))));
    EXPECT_TRUE(close(cells("gradient_rollout"), read(oracle.gradient_rollout())));
    EXPECT_TRUE(close(cells("legrad"), cells_of(oracle.legrad(), extra, 4)));
    for (const char* method : {"attention_rollout", "gradient_rollout", "legrad"}) {
      const Explanation result = explain_by(method, model, photo8(), {2})[0];
      EXPECT_EQ(result.plan.at("layers"), "2");
      EXPECT_EQ(result.plan.at("tokens"), "4x4 patches, " + std::to_string(extra) + " others");
      EXPECT_TRUE(close(result.map, upsample(result.cells, 8, 8, Interpolation::bicubic).clamp_min(0)));
      EXPECT_FALSE(close(explain_by(std::string(method) + ":heads=max", model, photo8(), {2})[0].cells, result.cells));
      EXPECT_FALSE(close(explain_by(std::string(method) + ":heads=min", model, photo8(), {2})[0].cells, result.cells));
    }
  }
}

// An Attention node and the softmax of a graph that was not rewritten.
TEST(AttentionRollout, DoesNotDependOnHowAttentionIsSpelled) {
  const auto path = vit().save();
  const Model node = Model::load(path, {.preprocess = "unit"});
  ModelOptions plain;
  plain.preprocess = "unit";
  plain.graph.canonical = false;
  const Model spelled = Model::load(path, plain);
  for (const char* method : {"attention_rollout", "gradient_rollout", "legrad"})
    EXPECT_TRUE(close(explain_by(method, node, photo8())[0].cells, explain_by(method, spelled, photo8())[0].cells))
        << method;
}

/// One head by hand: patches are pixels, queries and keys times 2, values as they are, read by their mean.
TEST(AttentionRollout, OneLayerByHand) {
  using Sizes = std::vector<int64_t>;
  OnnxBuilder net;
  net.input("x", {-1, 1, 2, 2}).initializer("one", at::ones({1, 1, 1, 1})).node("Conv", {"x", "one"}, {"planes"});
  net.initializer("rows", at::tensor(Sizes{0, 1, 4}, at::kLong)).node("Reshape", {"planes", "rows"}, {"r"});
  net.node("Transpose", {"r"}, {"v"}).attribute("perm", Sizes{0, 2, 1}).initializer("two", at::ones({}) * 2);
  net.node("Mul", {"r", "two"}, {"k"}).node("MatMul", {"v", "k"}, {"s"}).node("Softmax", {"s"}, {"p"});
  net.node("MatMul", {"p", "v"}, {"o"}).initializer("axis", at::tensor(Sizes{1}, at::kLong));
  net.node("ReduceMean", {"o", "axis"}, {"m"}).attribute("keepdims", int64_t{0});
  net.initializer("head", at::tensor({1.f, -1.f}).view({1, 2})).node("MatMul", {"m", "head"}, {"y"}).output("y");
  const Model model = load(net);
  const Tensor x = at::tensor({0.5f, -1.f, 0.25f, 1.f});
  const Tensor p = at::softmax(x.view({4, 1}) * x.view({1, 4}) * 2, 1);
  // score = head mean_i sum_j p_ij x_j, so that its derivative by p_ij is head x_j / 4.
  for (const int64_t target : {0, 1}) {
    const Tensor slope = (target == 0 ? x : -x).view({1, 4}).expand({4, 4}) / 4;
    const auto cells = [&](const char* method) {
      return explain_by(method, model, x.view({1, 1, 2, 2}), {target})[0].cells.flatten();
    };
    EXPECT_TRUE(close(cells("attention_rollout"), (p * 0.5 + at::eye(4) * 0.5).mean(0)));
    EXPECT_TRUE(close(cells("gradient_rollout"), (p * slope).relu().mean(0)));
    EXPECT_TRUE(close(cells("legrad"), slope.relu().mean(0)));
  }
}

TEST(AttentionRollout, ARefusalSaysWhatToDo) {
  for (const char* method : {"attention_rollout", "gradient_rollout", "legrad"})
    EXPECT_THAT(message_of<UsageError>([&] { explain_by(method, load(conv_net()), photo8()); }),
                AllOf(HasSubstr("no attention"), HasSubstr("attn_lrp")));
}

TEST(AttentionRollout, SaysThatItKnowsNoTarget) {
  const auto results = explain_by("attention_rollout", load(vit()), photo8(), {0, 3});
  EXPECT_TRUE(close(results[0].map, results[1].map));
  ASSERT_EQ(results[0].warnings.size(), 1u);
  EXPECT_THAT(results[0].warnings[0], HasSubstr("no target"));
  EXPECT_EQ(results[0].backwards, 1);
}

std::filesystem::path corpus_vit() { return testing::corpus() / "models/cifar10/vit_ibp_3_3_8.onnx"; }

// Three layers, three heads, 16 patches behind a class token, and a mean over tokens at the end.
TEST(AttentionRollout, IsItsFormulaOnACorpusNet) {
  if (!std::filesystem::exists(corpus_vit())) {
    ASSERT_FALSE(std::getenv("VITRAIL_REQUIRE_CORPUS")) << corpus_vit() << " is not there";
    GTEST_SKIP() << corpus_vit() << " is not there (VITRAIL_CORPUS)";
  }
  const Model model = Model::load(corpus_vit());
  const Graph plain = Graph::load(corpus_vit(), {.canonical = false});
  std::vector<std::string> names;
  for (const NodeInfo& node : plain.nodes())
    if (node.op == "Softmax") {
      std::string name = node.outputs[0];  // of an old opset: over rows, before they take their shape again
      if (name.ends_with("/rows")) name.resize(name.size() - 5);
      names.push_back(name);
    }
  ASSERT_EQ(names.size(), 3u);
  const Tensor x = waves({1, 3, 32, 32}, 0.37);
  const Oracle oracle(plain, plain.inputs()[0].name, x, plain.outputs()[0].name, 5, names);
  const auto cells = [&](const char* method) { return explain_by(method, model, x, {5})[0].cells; };
  EXPECT_TRUE(close(cells("attention_rollout"), cells_of(oracle.rollout(0.5).mean(0), 1, 4), 1e-3));
  EXPECT_TRUE(close(cells("gradient_rollout"), cells_of(oracle.gradient_rollout().mean(0), 1, 4), 1e-3));
  EXPECT_TRUE(close(cells("legrad"), cells_of(oracle.legrad(), 1, 4), 1e-3));
}

}  // namespace
}  // namespace vitrail
