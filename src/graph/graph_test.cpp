// The run primitive, batches, gradients, layer names and refusals.

#include "vitrail/graph.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

Tensor ints(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

Tensor random(std::vector<int64_t> shape, double scale = 0.5) { return at::randn(shape) * scale; }

/// conv -> relu -> conv -> add(skip) -> pool -> flatten -> gemm
OnnxBuilder residual_net(int64_t batch) {
  OnnxBuilder net;
  net.input("x", {batch, 3, 8, 8})
      .initializer("stem.weight", random({4, 3, 3, 3}))
      .initializer("stem.bias", random({4}))
      .initializer("block.conv.weight", random({4, 4, 3, 3}))
      .initializer("head.weight", random({5, 4}))
      .initializer("head.bias", random({5}))
      .node("Conv", {"x", "stem.weight", "stem.bias"}, {"c1"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Relu", {"c1"}, {"r1"})
      .node("Conv", {"r1", "block.conv.weight"}, {"c2"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Add", {"c2", "r1"}, {"sum"})
      .node("GlobalAveragePool", {"sum"}, {"pool"})
      .node("Flatten", {"pool"}, {"flat"})
      .node("Gemm", {"flat", "head.weight", "head.bias"}, {"y"})
      .attribute("transB", int64_t{1})
      .output("y");
  return net;
}

/// The outputs of single samples, one after the other.
Tensor one_by_one(const Graph& graph, const Tensor& x) {
  Tensors rows;
  for (int64_t n = 0; n < x.size(0); ++n) rows.push_back(graph.run({{"x", x.narrow(0, n, 1)}}, {"y"})[0]);
  return at::cat(rows, 0);
}

void expect_batches_equal_samples(const Graph& graph, const Tensor& x) {
  EXPECT_TRUE(at::allclose(graph.run({{"x", x}}, {"y"})[0], one_by_one(graph, x), 1e-4, 1e-5));
}

TEST(Graph, SuffixOfPrefixIsTheWhole) {
  Graph graph = Graph::load(residual_net(-1).save());
  Tensor x = at::randn({2, 3, 8, 8});
  Tensor whole = graph.run({{"x", x}}, {"y"})[0];
  for (const char* cut : {"sum", "pool", "flat"}) {
    Tensor middle = graph.run({{"x", x}}, {cut})[0];
    EXPECT_TRUE(at::allclose(graph.run({{cut, middle}}, {"y"})[0], whole)) << cut;
  }
  // r1 is used twice; feeding it cuts both uses.
  Tensor r1 = graph.run({{"x", x}}, {"r1"})[0];
  EXPECT_TRUE(at::allclose(graph.run({{"r1", r1}}, {"y"})[0], whole));
  // Feeding an inner value overrides what would be computed.
  EXPECT_FALSE(at::allclose(graph.run({{"x", x}, {"r1", r1 + 1}}, {"y"})[0], whole));
}

TEST(Graph, FetchesComeInTheOrderAsked) {
  Graph graph = Graph::load(residual_net(-1).save());
  Tensors out = graph.run({{"x", at::randn({2, 3, 8, 8})}}, {"y", "r1", "y"});
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].sizes().vec(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(out[1].sizes().vec(), (std::vector<int64_t>{2, 4, 8, 8}));
  EXPECT_TRUE(at::allclose(out[0], out[2]));
}

TEST(Graph, ShapesCarryASymbolicBatch) {
  Graph graph = Graph::load(residual_net(1).save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  EXPECT_EQ(to_string(graph.value("r1").shape), "[N,4,8,8]");
  expect_batches_equal_samples(graph, at::randn({5, 3, 8, 8}));
}

TEST(Graph, LayersAnswerToTheFrameworksNames) {
  Graph graph = Graph::load(residual_net(-1).save());
  EXPECT_EQ(graph.resolve("stem"), "c1");
  EXPECT_EQ(graph.resolve("block.conv"), "c2");
  EXPECT_EQ(graph.resolve("head"), "y");
  EXPECT_EQ(graph.resolve("sum"), "sum");
  try {
    graph.resolve("blok.conv");
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(), HasSubstr("block.conv"));
  }
}

TEST(Graph, ScopesNameContainersAndFoldedConvolutions) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 8, 8})
      .initializer("layer1.0.conv1.weight", random({4, 3, 3, 3}))
      .node("Conv", {"x", "layer1.0.conv1.weight"}, {"getitem"})
      .scopes("['', 'layer1', 'layer1.0', 'layer1.0.bn1', 'aten_conv']")
      .node("Relu", {"getitem"}, {"relu"})
      .scopes("['', 'layer1', 'layer1.0', 'layer1.0.act', 'aten_relu']")
      .node("GlobalAveragePool", {"relu"}, {"p"})
      .node("Flatten", {"p"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_EQ(graph.resolve("layer1.0.conv1"), "getitem");
  EXPECT_EQ(graph.resolve("layer1.0.bn1"), "getitem");
  EXPECT_EQ(graph.resolve("layer1"), "relu");
}

TEST(GraphBatch, ReshapeOfAFixedBatchFollows) {
  OnnxBuilder net;
  net.input("x", {1, 2, 4, 4})
      .initializer("to_windows", ints({1, 2, 2, 2, 2, 2}))
      .initializer("merge", ints({4, 2, 4}))  // 4 windows of one image
      .initializer("back", ints({1, 32}))
      .initializer("w", random({4, 4}))
      .initializer("head", random({32, 3}))
      .node("Reshape", {"x", "to_windows"}, {"a"})
      .node("Transpose", {"a"}, {"b"})
      .attribute("perm", std::vector<int64_t>{0, 2, 4, 1, 3, 5})
      .node("Reshape", {"b", "merge"}, {"windows"})
      .node("MatMul", {"windows", "w"}, {"m"})
      .node("Softmax", {"m"}, {"s"})
      .node("Reshape", {"s", "back"}, {"flat"})
      .node("MatMul", {"flat", "head"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  EXPECT_EQ(to_string(graph.value("windows").shape), "[4*N,2,4]");
  expect_batches_equal_samples(graph, at::randn({3, 2, 4, 4}));
}

TEST(GraphBatch, BatchOnAnInnerAxisFollows) {
  // Tokens first, as multi-head attention of the framework lays them out.
  OnnxBuilder net;
  net.input("x", {1, 5, 6})
      .initializer("heads", ints({5, 2, 3}))
      .initializer("back", ints({5, 1, 6}))
      .initializer("flat", ints({1, 30}))
      .initializer("head", random({30, 3}))
      .node("Transpose", {"x"}, {"t"})
      .attribute("perm", std::vector<int64_t>{1, 0, 2})
      .node("Reshape", {"t", "heads"}, {"h"})
      .node("Relu", {"h"}, {"r"})
      .node("Reshape", {"r", "back"}, {"b"})
      .node("Transpose", {"b"}, {"u"})
      .attribute("perm", std::vector<int64_t>{1, 0, 2})
      .node("Reshape", {"u", "flat"}, {"f"})
      .node("MatMul", {"f", "head"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  EXPECT_EQ(to_string(graph.value("h").shape), "[5,2*N,3]");
  expect_batches_equal_samples(graph, at::randn({4, 5, 6}));
}

TEST(GraphBatch, BatchInsideADimensionFollows) {
  // [T,N,C] -> [T*N,C] -> [T,N,C], spelled with the batch dropped and put back.
  for (bool minus_one : {false, true}) {
    OnnxBuilder net;
    net.input("x", {1, 5, 6})
        .initializer("rows", minus_one ? ints({-1, 6}) : ints({5, 6}))
        .initializer("w", random({6, 4}))
        .initializer("back", ints({5, 1, 4}))
        .initializer("flat", ints({1, 20}))
        .node("Transpose", {"x"}, {"t"})
        .attribute("perm", std::vector<int64_t>{1, 0, 2})
        .node("Reshape", {"t", "rows"}, {"r"})
        .node("MatMul", {"r", "w"}, {"m"})
        .node("Reshape", {"m", "back"}, {"b"})
        .node("Transpose", {"b"}, {"u"})
        .attribute("perm", std::vector<int64_t>{1, 0, 2})
        .node("Reshape", {"u", "flat"}, {"y"})
        .output("y");
    Graph graph = Graph::load(net.save());
    EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
    EXPECT_EQ(to_string(graph.value("m").shape), "[5*N,4]");
    expect_batches_equal_samples(graph, at::randn({3, 5, 6}));
  }
}

TEST(GraphBatch, ClassTokenIsExpanded) {
  OnnxBuilder net;
  net.input("x", {1, 5, 6})
      .initializer("token", random({1, 1, 6}))
      .initializer("index", at::tensor(0, at::kLong))
      .node("Concat", {"token", "x"}, {"all"})
      .attribute("axis", int64_t{1})
      .node("Softmax", {"all"}, {"s"})
      .attribute("axis", int64_t{1})
      .node("Gather", {"s", "index"}, {"y"})
      .attribute("axis", int64_t{1})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  EXPECT_EQ(to_string(graph.value("all").shape), "[N,6,6]");
  expect_batches_equal_samples(graph, at::randn({3, 5, 6}));
}

TEST(GraphBatch, ShapeArithmeticFoldsToTheBatch) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 4, 4})
      .initializer("zero", ints({0}))
      .initializer("one", ints({1}))
      .initializer("rest", ints({-1}))
      .initializer("head", random({48, 3}))
      .node("Shape", {"x"}, {"shape"})
      .node("Slice", {"shape", "zero", "one"}, {"n"})
      .node("Concat", {"n", "rest"}, {"target"})
      .attribute("axis", int64_t{0})
      .node("Reshape", {"x", "target"}, {"flat"})
      .node("MatMul", {"flat", "head"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  for (const NodeInfo& node : graph.nodes()) EXPECT_THAT(node.op, ::testing::AnyOf("BatchShape", "Reshape", "MatMul"));
  expect_batches_equal_samples(graph, at::randn({3, 3, 4, 4}));
}

TEST(GraphBatch, SamplesThatInfluenceEachOtherAreLooped) {
  OnnxBuilder net;
  net.input("x", {1, 4}).node("Softmax", {"x"}, {"y"}).attribute("axis", int64_t{0}).output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_FALSE(graph.batch().generalises);
  EXPECT_THAT(graph.batch().reason, HasSubstr("influence each other"));
  Tensor y = graph.run({{"x", at::randn({3, 4})}}, {"y"})[0];
  EXPECT_TRUE(at::allclose(y, at::ones({3, 4})));  // softmax over one sample
}

TEST(GraphBatch, WhatGroupsOfSamplesCannotShareIsRefused) {
  OnnxBuilder net;
  net.input("x", {1, 4}).initializer("three", ints({1, 2, 3})).node("NonZero", {"x"}, {"at"});
  net.node("Softmax", {"x"}, {"mixed"}).attribute("axis", int64_t{0}).output("mixed").output("at").output("three");
  const Graph graph = Graph::load(net.save());
  EXPECT_FALSE(graph.batch().generalises);
  const Feeds two = {{"x", at::tensor({1.f, 0.f, 0.f, 1.f, 1.f, 0.f, 0.f, 0.f}).reshape({2, 4})}};
  EXPECT_TRUE(graph.run(two, {"three"})[0].equal(ints({1, 2, 3})));
  EXPECT_THAT(message_of<ModelError>([&] { graph.run(two, {"at"}); }), HasSubstr("running"));
}

TEST(GraphBatch, ScalarsOfGroupsAreRefused) {
  OnnxBuilder net;
  net.input("x", {1, 4}).node("ReduceSum", {"x"}, {"y"}).attribute("keepdims", int64_t{0}).output("y");
  const Graph graph = Graph::load(net.save());
  EXPECT_EQ(graph.run({{"x", at::ones({1, 4})}}, {"y"})[0].item<float>(), 4);
  EXPECT_THAT(message_of<ModelError>([&] { graph.run({{"x", at::ones({2, 4})}}, {"y"}); }), HasSubstr("one number"));
}

TEST(GraphBatch, InputsWithoutTheBatchStayAsTheyAre) {
  OnnxBuilder net;
  net.input("x", {2, 4}).input("open", {-1, 4}).input("table", {3, 4});
  net.node("ReduceSum", {"table"}, {"row"}).node("Add", {"x", "open"}, {"sum"}).node("Add", {"sum", "row"}, {"y"});
  const Graph graph = Graph::load(net.output("y").save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  EXPECT_EQ(to_string(graph.value("open").shape), "[N,4]");
  EXPECT_EQ(to_string(graph.value("table").shape), "[3,4]");
}

TEST(GraphBatch, AFixedBatchAboveOneGeneralises) {
  OnnxBuilder net;
  net.input("x", {2, 3, 4, 4})
      .initializer("flat", ints({2, 48}))
      .initializer("head", random({48, 3}))
      .node("Reshape", {"x", "flat"}, {"f"})
      .node("MatMul", {"f", "head"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_TRUE(graph.batch().generalises) << graph.batch().reason;
  expect_batches_equal_samples(graph, at::randn({5, 3, 4, 4}));
}

TEST(Graph, GradientsOfFirstAndSecondOrderMatchFiniteDifferences) {
  OnnxBuilder net;
  net.input("x", {-1, 4})
      .initializer("a", random({4, 6}))
      .initializer("b", random({6, 2}))
      .node("MatMul", {"x", "a"}, {"h"})
      .node("Tanh", {"h"}, {"t"})
      .node("MatMul", {"t", "b"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save(), {.double_precision = true});
  Tensor x = at::randn({2, 4}, at::kDouble), v = at::randn({2, 4}, at::kDouble), w = at::randn({2, 2}, at::kDouble);
  auto first = [&](const Tensor& at_x, bool create) {
    Tensor leaf = at_x.detach().requires_grad_();
    Tensor y = graph.run({{"x", leaf}}, {"y"})[0];
    return std::make_pair(leaf, gradient({y}, {leaf}, {w}, create)[0]);
  };
  auto value = [&](const Tensor& at_x) { return (graph.run({{"x", at_x}}, {"y"})[0] * w).sum().item<double>(); };
  const double h = 1e-5;
  auto [leaf, g] = first(x, true);
  EXPECT_NEAR((g * v).sum().item<double>(), (value(x + v * h) - value(x - v * h)) / (2 * h), 1e-7);
  Tensor hv = gradient({g}, {leaf}, {v})[0];
  Tensor numeric = (first(x + v * h, false).second - first(x - v * h, false).second) / (2 * h);
  EXPECT_TRUE(at::allclose(hv, numeric, 1e-5, 1e-7));
}

TEST(Graph, AGradientThatCannotBeComputedIsATypedError) {
  const Tensor leaf = at::ones({2, 3}).requires_grad_();
  EXPECT_THAT(message_of<ModelError>([&] { gradient({leaf * 2}, {leaf}, {at::ones({4})}); }), HasSubstr("gradient"));
}

TEST(Graph, GradientAtAnInnerValue) {
  Graph graph = Graph::load(residual_net(-1).save());
  Tensor sum = graph.run({{"x", at::randn({1, 3, 8, 8})}}, {"sum"})[0].requires_grad_();
  Tensor y = graph.run({{"sum", sum}}, {"y"})[0];
  Tensor g = gradient({y.select(1, 2)}, {sum})[0];
  // Average pooling and a linear head: the gradient is the weight over 64 positions everywhere.
  EXPECT_NEAR(g.std({2, 3}, false).max().item<float>(), 0, 1e-7);
  EXPECT_GT(g.abs().max().item<float>(), 0);
}

TEST(Graph, BackwardRulesAreAnOptionOfTheRun) {
  OnnxBuilder net;
  net.input("x", {-1, 4}).node("Relu", {"x"}, {"y"}).output("y");
  Graph graph = Graph::load(net.save());
  Tensor x = at::tensor({-1.0f, 1.0f, -1.0f, 1.0f}).reshape({1, 4}),
         w = at::tensor({1.0f, 1.0f, -1.0f, -1.0f}).reshape({1, 4});
  auto backward = [&](BackwardRule rule) {
    Tensor leaf = x.clone().requires_grad_();
    Tensor g = gradient({graph.run({{"x", leaf}}, {"y"}, {.backward_rule = rule})[0]}, {leaf}, {w})[0];
    return std::vector<float>(g.data_ptr<float>(), g.data_ptr<float>() + 4);
  };
  EXPECT_THAT(backward(BackwardRule::plain), ElementsAre(0, 1, 0, -1));
  EXPECT_THAT(backward(BackwardRule::guided), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(backward(BackwardRule::deconv), ElementsAre(1, 1, 0, 0));
}

TEST(Graph, OtherConstantsMakeAnotherGraph) {
  const Graph graph = Graph::load(residual_net(-1).save());
  const Tensor x = at::randn({2, 3, 8, 8}), before = graph.run({{"x", x}}, {"y"})[0];
  const Tensor weight = graph.constant("head.weight"), bias = graph.constant("head.bias");
  const Graph changed = graph.with_constants({{"head.weight", weight * 2}, {"head.bias", bias + 1}});
  EXPECT_TRUE(at::allclose(changed.run({{"x", x}}, {"y"})[0], (before - bias) * 2 + bias + 1, 1e-4, 1e-5));
  EXPECT_TRUE(graph.run({{"x", x}}, {"y"})[0].equal(before)) << "the first graph stays as it is";
  EXPECT_THAT(message_of<UsageError>([&] { graph.with_constants({{"head.weight", bias}}); }),
              HasSubstr("keeps its shape"));
  EXPECT_THAT(message_of<UsageError>([&] { graph.constant("sum"); }), HasSubstr("computed"));
}

TEST(Graph, SeveralThreadsRunOneGraph) {
  Graph graph = Graph::load(residual_net(-1).save());
  Tensor x = at::randn({3, 3, 8, 8});
  auto output_and_gradient = [&] {
    Tensor leaf = x.clone().requires_grad_();
    Tensor y = graph.run({{"x", leaf}}, {"y"})[0];
    return std::pair(y.detach(), gradient({y}, {leaf})[0]);
  };
  const std::pair<Tensor, Tensor> expected = output_and_gradient();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto [y, g] = output_and_gradient();
        // Convolutions may sum in another order; outputs that cancel to nearly 0 keep that absolute rounding.
        if (!at::allclose(y, expected.first, 1e-5, 1e-5) || !at::allclose(g, expected.second, 1e-5, 1e-5)) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Graph, NamesNodesWithoutGradientOnThePath) {
  OnnxBuilder net;
  net.input("x", {-1, 4})
      .node("Sign", {"x"}, {"s"})
      .node("Relu", {"x"}, {"r"})
      .node("Add", {"s", "r"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_THAT(graph.non_differentiable("x", "y"), ElementsAre(HasSubstr("Sign")));
  EXPECT_TRUE(graph.non_differentiable("r", "y").empty());
}

TEST(GraphRefusals, UnknownOperatorsAreListedBeforeAnythingRuns) {
  OnnxBuilder net;
  net.input("x", {1, 4}).node("Frobnicate", {"x"}, {"a"}).node("Wobble", {"a"}, {"y"}, "com.example").output("y");
  std::string message = message_of<ModelError>([&] { Graph::load(net.save()); });
  EXPECT_THAT(message, HasSubstr("Frobnicate"));
  EXPECT_THAT(message, HasSubstr("com.example"));
  EXPECT_THAT(message, HasSubstr("opset 20"));
}

TEST(GraphRefusals, FeedsMustFit) {
  Graph graph = Graph::load(residual_net(-1).save());
  EXPECT_THAT(message_of<UsageError>([&] { graph.run({{"x", at::randn({2, 3, 9, 8})}}, {"y"}); }),
              HasSubstr("[N,3,8,8]"));
  EXPECT_THAT(message_of<UsageError>([&] { graph.run({}, {"y"}); }), HasSubstr("was not fed"));
  EXPECT_THAT(message_of<UsageError>(
                  [&] { graph.run({{"x", at::randn({2, 3, 8, 8})}, {"r1", at::randn({3, 4, 8, 8})}}, {"y"}); }),
              HasSubstr("disagree about the batch"));
}

TEST(GraphRefusals, ShapesThatDoNotFitNameTheNode) {
  OnnxBuilder net;
  net.input("x", {1, 4}).initializer("w", random({5, 2})).node("MatMul", {"x", "w"}, {"y"}).output("y");
  EXPECT_THAT(message_of<ModelError>([&] { Graph::load(net.save()); }), HasSubstr("MatMul node"));
}

TEST(GraphRefusals, OutputsThatAnOperatorDoesNotGiveAreNamed) {
  OnnxBuilder net;
  net.input("x", {1, 4}).node("Relu", {"x"}, {"a", "more"}).node("Add", {"a", "more"}, {"y"}).output("y");
  EXPECT_THAT(message_of<ModelError>([&] { Graph::load(net.save()); }), HasSubstr("'more'"));
  OnnxBuilder unused;
  unused.input("x", {1, 4}).node("Relu", {"x"}, {"y", "more"}).output("y");
  EXPECT_NO_THROW(Graph::load(unused.save()));
}

TEST(GraphRefusals, OpenSizesAskForTheInputSize) {
  OnnxBuilder net;
  net.input("x", {-1, 3, -1, -1}).node("GlobalAveragePool", {"x"}, {"p"}).node("Flatten", {"p"}, {"y"}).output("y");
  auto path = net.save();
  EXPECT_THAT(message_of<UsageError>([&] { Graph::load(path); }), HasSubstr("--input-size"));
  EXPECT_EQ(to_string(Graph::load(path, {.input_size = {16, 24}}).inputs()[0].shape), "[N,3,16,24]");
  OnnxBuilder damaged;  // the channels are looked up at the first convolution
  damaged.input("x", {-1, -1, -1, -1}).initializer("w", at::ones({2, 1, 1, 1})).node("Conv", {"x", "w"}, {"y"});
  damaged.attribute("group", INT64_MAX / 2).output("y");
  EXPECT_THAT(message_of<UsageError>([&] { Graph::load(damaged.save(), {.input_size = {16, 24}}); }),
              HasSubstr("open dimensions"));
  damaged.proto().mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
  EXPECT_THAT(message_of<UsageError>([&] { Graph::load(damaged.save(), {.input_size = {16, 24}}); }),
              HasSubstr("open dimensions"));
  EXPECT_THAT(message_of<UsageError>([&] { Graph::load(residual_net(-1).save(), {.input_size = {16, 24}}); }),
              HasSubstr("fixed at"));
}

}  // namespace
}  // namespace vitrail
