// A plan computes what the graph computes: fusion by fusion, whatever the split; and it is refused where it cannot.

#include "vitrail/plan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "plan/direct.h"
#include "plan/onednn.h"
#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"
#include "vitrail/memory.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;
using Sizes = std::vector<int64_t>;

Tensor random(Sizes shape, double scale = 0.5) { return at::randn(shape) * scale; }

OnnxBuilder image_net(int64_t channels = 3, int64_t side = 9) {
  OnnxBuilder net;
  net.input("x", {-1, channels, side, side});
  return net;
}

void add_batch_norm(OnnxBuilder& net, const std::string& x, const std::string& y, int64_t channels) {
  net.initializer(y + ".scale", random({channels}) + 1).initializer(y + ".bias", random({channels}));
  net.initializer(y + ".mean", random({channels})).initializer(y + ".var", at::rand({channels}) + 0.5);
  net.node("BatchNormalization", {x, y + ".scale", y + ".bias", y + ".mean", y + ".var"}, {y});
}

std::vector<std::string> operators(const Plan& plan) {
  std::vector<std::string> list;
  for (const PlanStep& step : plan.steps()) list.push_back(step.op);
  return list;
}

Tensor gradient_of(const std::function<Tensors(const Tensor&)>& run, const Tensor& x) {
  const Tensor leaf = x.clone().requires_grad_(true);
  const Tensor y = run(leaf)[0];
  return gradient({y}, {leaf}, {at::linspace(-1, 1, y.numel()).view_as(y)})[0];
}

struct Planned {
  Graph graph;
  std::shared_ptr<const Plan> plan;
};

/// A plan of the net from x to y in chunks of 2, by libtorch's oneDNN operators; and that it gives what the graph gives
/// on 5 samples, as do one by oneDNN itself, its gradients too, and one that leaves its layers, which are small, to
/// ATen.
Planned plan_of(const OnnxBuilder& net) {
  Graph graph = Graph::load(net.save());
  Sizes sizes;
  for (const Dim& dim : graph.inputs()[0].shape) sizes.push_back(dim.at(5));
  const Tensor x = random(sizes, 1), before = x.clone();
  const Tensor expected = graph.run({{"x", x}}, {"y"})[0];
  Planned result{graph, nullptr};
  PlanOptions options;
  options.batch = 4;
  options.chunk = 2;
  const int64_t usual = options.small_layer;
  for (const auto& [direct, small_layer] : {std::pair{true, usual}, {false, usual}, {false, int64_t{0}}}) {
    options.direct = direct;
    options.gradients = direct && onednn::is_linked();
    options.small_layer = small_layer;
    const Plan::Attempt attempt = Plan::make(graph, "x", "y", options);
    if (!attempt.plan) throw std::runtime_error("no plan: " + attempt.refusal);
    result.plan = attempt.plan;
    const Tensor found = attempt.plan->run(x);
    EXPECT_EQ(found.sizes(), expected.sizes());
    EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-5)) << (found - expected).abs().max().item<float>();
    EXPECT_TRUE(at::equal(x, before)) << "the input was written to";
    EXPECT_FALSE(found.requires_grad());
    if (!options.gradients) continue;
    EXPECT_TRUE(attempt.plan->has_gradients()) << attempt.plan->why_no_gradients();
    if (!attempt.plan->has_gradients()) continue;
    const Tensor slope = gradient_of([&](const Tensor& leaf) { return attempt.plan->run_recorded(leaf); }, x);
    const Tensor wanted = gradient_of([&](const Tensor& leaf) { return graph.run({{"x", leaf}}, {"y"}); }, x);
    EXPECT_TRUE(at::allclose(slope, wanted, 1e-3, 1e-4)) << (slope - wanted).abs().max().item<float>();
  }
  return result;
}

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!onednn::is_linked() && !onednn::available()) GTEST_SKIP() << "this libtorch has no fused oneDNN operators";
  }
};

TEST_F(PlanTest, AConvolutionTakesInWhatFollowsIt) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({6, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"});
  add_batch_norm(net, "c", "b", 6);
  net.initializer("scale", random({6, 1, 1})).node("Mul", {"scale", "b"}, {"m"});
  net.initializer("one", at::ones({1})).node("Sub", {"one", "m"}, {"s"});
  net.node("Relu", {"s"}, {"y"}).output("y");
  EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Conv + BatchNormalization + Mul + Sub + Relu"));
}

TEST_F(PlanTest, EveryActivationOfOneDnn) {
  const auto with = [](const std::string& op, auto&& attributes) {
    OnnxBuilder net = image_net();
    net.initializer("low", at::tensor(-0.5f)).initializer("high", at::tensor(0.25f));
    net.initializer("w", random({6, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"});
    net.node(op, op == "Clip" ? std::vector<std::string>{"c", "low", "high"} : std::vector<std::string>{"c"}, {"y"});
    attributes(net);
    net.output("y");
    EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Conv + " + op));
  };
  const auto nothing = [](OnnxBuilder&) {};
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Gelu", "Clip"}) with(op, nothing);
  with("Gelu", [](OnnxBuilder& net) { net.attribute("approximate", std::string("tanh")); });
  with("LeakyRelu", [](OnnxBuilder& net) { net.attribute("alpha", 0.3f); });
  with("HardSigmoid", [](OnnxBuilder& net) { net.attribute("alpha", 1.f / 6).attribute("beta", 0.5f); });
}

TEST_F(PlanTest, ASmallLayerCallsNoOneDnn) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({6, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"y"}).output("y");
  EXPECT_THAT(plan_of(net).plan->steps()[0].details, HasSubstr("oneDNN convolution 3x3"));
  PlanOptions options;
  options.direct = false;
  EXPECT_EQ(Plan::make(Graph::load(net.save()), "x", "y", options).plan->steps()[0].details, "small");
}

std::vector<std::string> operators_by_onednn(const OnnxBuilder& net) {
  plan_of(net);  // compares
  return operators(*Plan::make(Graph::load(net.save()), "x", "y").plan);
}

class DirectPlanTest : public PlanTest {
 protected:
  void SetUp() override {
    if (!onednn::is_linked()) GTEST_SKIP() << "built without oneDNN";
  }
};

TEST_F(DirectPlanTest, EveryActivationFollowsASum) {
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Gelu"})
    for (const int64_t k : {1, 3}) {
      OnnxBuilder net = image_net(4);
      net.initializer("v", random({4, 4, 3, 3})).node("Conv", {"x", "v"}, {"a"}).attribute("pads", Sizes(4, 1));
      net.initializer("w", random({4, 4, k, k})).node("Conv", {"a", "w"}, {"b"}).attribute("pads", Sizes(4, k / 2));
      net.node("Add", {"b", "a"}, {"s"}).node(op, {"s"}, {"y"}).output("y");
      EXPECT_THAT(operators_by_onednn(net), ElementsAre("Conv", "Conv + Add + " + std::string(op)));
    }
}

TEST_F(DirectPlanTest, ASummandThatIsNeededOnceMoreIsNotOverwritten) {
  for (const bool linear : {false, true}) {
    OnnxBuilder net;
    net.input("x", linear ? Sizes{-1, 5, 6} : Sizes{-1, 6, 9, 9});
    for (const std::string name : {"a", "b"}) {
      net.initializer(name + ".w", linear ? random({6, 6}) : random({6, 6, 1, 1}));
      net.node(linear ? "MatMul" : "Conv", {name == "a" ? "x" : "a", name + ".w"}, {name});
    }
    net.node("Add", {"b", "a"}, {"s"}).node("Mul", {"s", "a"}, {"y"}).output("y");
    EXPECT_EQ(operators_by_onednn(net)[1], linear ? "MatMul + Add" : "Conv + Add");
  }
}

TEST_F(DirectPlanTest, PaddingMayDifferBetweenTheEnds) {
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t dilation : {1, 2})
      for (const int64_t groups : {1, 8}) {
        OnnxBuilder net = image_net(8, 17);
        net.initializer("w", random({8, 8 / groups, 3, 3})).node("Conv", {"x", "w"}, {"y"});
        net.attribute("pads", Sizes{0, 2, 3, 1}).attribute("strides", Sizes(2, stride));
        net.attribute("dilations", Sizes(2, dilation)).attribute("group", groups).output("y");
        EXPECT_THAT(operators_by_onednn(net), ElementsAre("Conv"));
      }
}

TEST_F(DirectPlanTest, ValuesAndGradientsOfOneImageCountAsChannelsLast) {
  // Strides of an axis of size 1 may be anything, and ATen's pooling and activations look at them.
  Layer layer;
  layer.weight = random({6, 4, 3, 3});
  layer.window = {.padding = {1, 1}, .end_padding = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
  const onednn::DirectLayer direct(layer, at::kFloat);
  const Tensor y = direct.run(random({1, 4, 8, 8}), {}, false);
  EXPECT_EQ(y.suggest_memory_format(), at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(direct.run_backward(y, {1, 4, 8, 8}).suggest_memory_format(), at::MemoryFormat::ChannelsLast);
}

TEST_F(DirectPlanTest, AConvolutionOfOnePixelIsAMatrixProduct) {
  OnnxBuilder net = image_net(4);
  net.node("GlobalAveragePool", {"x"}, {"m"});
  net.initializer("w", random({3, 4, 1, 1})).initializer("b", random({3})).node("Conv", {"m", "w", "b"}, {"c"});
  net.node("Sigmoid", {"c"}, {"y"}).output("y");
  plan_of(net);
  EXPECT_EQ(Plan::make(Graph::load(net.save()), "x", "y").plan->steps()[1].details, "oneDNN matrix product");
}

TEST_F(PlanTest, AnActivationThatOneDnnComputesOtherwiseStaysItself) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({6, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"});
  net.node("HardSigmoid", {"c"}, {"y"}).output("y");  // slope .2, oneDNN's is 1/6
  EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Conv", "HardSigmoid"));
}

TEST_F(PlanTest, AResidualIsAddedInPlaceOnlyWhereNobodyElseNeedsIt) {
  OnnxBuilder net = image_net();
  const auto conv = [&net](const std::string& x, const std::string& y, int64_t channels, int64_t k) {
    net.initializer(y + ".w", random({4, channels, k, k})).node("Conv", {x, y + ".w"}, {y});
    net.attribute("pads", Sizes(4, k / 2));
  };
  conv("x", "a", 3, 3);
  conv("a", "b", 4, 3);
  net.node("Add", {"a", "b"}, {"s"}).node("Relu", {"s"}, {"r"});  // a is free: overwritten
  conv("r", "c", 4, 1);
  net.node("Add", {"c", "r"}, {"t"});  // r is needed once more
  conv("t", "d", 4, 3);
  conv("r", "e", 4, 3);
  net.node("Add", {"d", "e"}, {"u"}).node("Sigmoid", {"u"}, {"y"}).output("y");
  EXPECT_THAT(operators(*plan_of(net).plan),
              ElementsAre("Conv", "Conv + Add + Relu", "Conv + Add", "Conv", "Conv + Add", "Sigmoid"));
}

TEST_F(PlanTest, AValueAddedToItsOwnLayer) {
  OnnxBuilder net = image_net(4);
  net.initializer("w", random({4, 4, 1, 1})).node("Conv", {"x", "w"}, {"c"});
  net.node("Add", {"c", "x"}, {"s"}).node("Add", {"s", "s"}, {"t"}).node("Mul", {"t", "t"}, {"y"}).output("y");
  plan_of(net);
}

TEST_F(PlanTest, PaddingThatDiffersBetweenTheSides) {
  for (const auto& [pads, groups] : std::vector<std::pair<Sizes, int64_t>>{
           {{0, 0, 1, 1}, 4}, {{1, 0, 0, 2}, 4}, {{2, 1, 1, 1}, 1}, {{0, 1, 1, 0}, 2}}) {
    OnnxBuilder net = image_net(4);
    net.initializer("w", random({8, 4 / groups, 3, 3})).initializer("b", random({8}));
    net.node("Conv", {"x", "w", "b"}, {"y"}).attribute("pads", pads).attribute("group", groups);
    net.attribute("strides", Sizes{2, 2}).output("y");
    plan_of(net);
  }
  OnnxBuilder dilated = image_net(4);
  dilated.initializer("w", random({4, 1, 3, 3})).node("Conv", {"x", "w"}, {"y"}).attribute("group", int64_t{4});
  dilated.attribute("pads", Sizes{0, 2, 2, 1}).attribute("dilations", Sizes{2, 2}).output("y");
  plan_of(dilated);
  OnnxBuilder same = image_net(4, 8);
  same.initializer("w", random({4, 1, 3, 3})).node("Conv", {"x", "w"}, {"y"}).attribute("group", int64_t{4});
  same.attribute("auto_pad", std::string("SAME_UPPER")).attribute("strides", Sizes{2, 2}).output("y");
  plan_of(same);
}

TEST_F(PlanTest, AConvolutionPadsItsInputItself) {
  OnnxBuilder net = image_net(4);
  net.initializer("pads", at::tensor(Sizes{0, 0, 0, 1, 0, 0, 1, 2}, at::kLong));
  net.node("Pad", {"x", "pads"}, {"p"}).initializer("w", random({4, 1, 3, 3}));
  net.node("Conv", {"p", "w"}, {"y"}).attribute("group", int64_t{4}).attribute("pads", Sizes{1, 0, 0, 0}).output("y");
  EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Pad + Conv"));

  OnnxBuilder ones = image_net(4);  // padded with something else
  ones.initializer("pads", at::tensor(Sizes{0, 0, 1, 1, 0, 0, 1, 1}, at::kLong)).initializer("one", at::tensor(1.f));
  ones.node("Pad", {"x", "pads", "one"}, {"p"}).initializer("w", random({4, 4, 3, 3}));
  ones.node("Conv", {"p", "w"}, {"y"}).output("y");
  EXPECT_THAT(operators(*plan_of(ones).plan), ElementsAre("Pad", "Conv"));
}

TEST_F(PlanTest, SqueezeAndExcitation) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({8, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"}).node("Swish", {"c"}, {"a"});
  net.node("GlobalAveragePool", {"a"}, {"m"});
  net.initializer("w1", random({2, 8, 1, 1})).node("Conv", {"m", "w1"}, {"r"}).node("Relu", {"r"}, {"q"});
  net.initializer("w2", random({8, 2, 1, 1})).node("Conv", {"q", "w2"}, {"e"}).node("Sigmoid", {"e"}, {"s"});
  net.node("Mul", {"s", "a"}, {"y"}).output("y");
  net.proto().mutable_opset_import(0)->set_version(24);
  EXPECT_THAT(operators(*plan_of(net).plan),
              ElementsAre("Conv + Swish", "GlobalAveragePool", "Conv + Relu", "Conv + Sigmoid", "Mul"));
}

TEST_F(PlanTest, LinearLayersBetweenTransposes) {
  OnnxBuilder net = image_net(6);
  net.node("Transpose", {"x"}, {"t"}).attribute("perm", Sizes{0, 2, 3, 1});
  net.initializer("g", random({6}) + 1).initializer("h", random({6}));
  net.node("LayerNormalization", {"t", "g", "h"}, {"n"});
  net.initializer("w1", random({6, 12})).initializer("b1", random({12}));
  net.node("MatMul", {"n", "w1"}, {"m"}).node("Add", {"b1", "m"}, {"l"}).node("Gelu", {"l"}, {"a"});
  net.initializer("w2", random({12, 6})).initializer("b2", random({6}));
  net.node("MatMul", {"a", "w2"}, {"o"}).node("Add", {"o", "b2"}, {"p"});
  net.node("Transpose", {"p"}, {"u"}).attribute("perm", Sizes{0, 3, 1, 2});
  net.initializer("gamma", random({6, 1, 1})).node("Mul", {"gamma", "u"}, {"v"});
  net.node("Add", {"x", "v"}, {"y"}).output("y");
  EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Transpose", "LayerNormalization", "MatMul + Add + Gelu",
                                                         "MatMul + Add + Transpose + Mul + Add"));
}

TEST_F(PlanTest, GemmInEverySpelling) {
  for (const int64_t transposed : {0, 1}) {
    OnnxBuilder net;
    net.input("x", {-1, 5}).initializer("w", transposed ? random({7, 5}) : random({5, 7}));
    net.initializer("b", random({7})).node("Gemm", {"x", "w", "b"}, {"g"}).attribute("transB", transposed);
    net.attribute("alpha", 0.5f).attribute("beta", 2.f).node("Tanh", {"g"}, {"y"}).output("y");
    EXPECT_THAT(operators(*plan_of(net).plan), ElementsAre("Gemm + Tanh"));
  }
}

TEST_F(PlanTest, AttentionWithAndWithoutMask) {
  for (const bool masked : {false, true}) {
    OnnxBuilder net(23);
    net.input("x", {-1, 2, 5, 8}).initializer("mask", random({5, 5}));
    net.initializer("wk", random({8, 8})).node("MatMul", {"x", "wk"}, {"k"});
    net.initializer("wv", random({8, 8})).node("MatMul", {"x", "wv"}, {"v"});
    net.node("Attention",
             masked ? std::vector<std::string>{"x", "k", "v", "mask"} : std::vector<std::string>{"x", "k", "v"}, {"y"});
    if (masked) net.attribute("scale", 0.7f);
    net.output("y");
    const auto plan = plan_of(net).plan;
    EXPECT_EQ(plan->steps().back().details, "fused attention");
  }
}

TEST_F(PlanTest, ViewsAreNotOverwrittenThroughEachOther) {
  OnnxBuilder net = image_net(4, 4);
  net.initializer("w", random({4, 4, 1, 1})).node("Conv", {"x", "w"}, {"c"});
  net.initializer("shape", at::tensor(Sizes{0, 4, 16}, at::kLong)).node("Reshape", {"c", "shape"}, {"r"});
  net.node("Relu", {"r"}, {"p"});     // must not write into c
  net.node("Sigmoid", {"c"}, {"s"});  // which is needed here
  net.node("Reshape", {"s", "shape"}, {"q"}).node("Add", {"p", "q"}, {"y"}).output("y");
  plan_of(net);
}

TEST_F(PlanTest, AnInnerStretch) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({4, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"a"});
  net.initializer("v", random({4, 4, 3, 3})).node("Conv", {"a", "v"}, {"d"}).node("Relu", {"d"}, {"y"}).output("y");
  const Graph graph = Graph::load(net.save());
  const auto plan = Plan::make(graph, "a", "y").plan;
  ASSERT_TRUE(plan);
  const Tensor a = random({3, 4, 7, 7});
  EXPECT_TRUE(at::allclose(plan->run(a), graph.run({{"a", a}}, {"y"})[0], 1e-4, 1e-6));
  // The value before an activation, where it is asked for, is not fused away.
  const auto to_inner = Plan::make(graph, "x", "c").plan;
  ASSERT_TRUE(to_inner);
  EXPECT_THAT(operators(*to_inner), ElementsAre("Conv"));
}

TEST_F(PlanTest, SeveralOutputsFromOneRun) {
  OnnxBuilder net = image_net();
  net.initializer("w", random({4, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"a"});
  net.initializer("v", random({4, 4, 1, 1})).node("Conv", {"a", "v"}, {"d"}).node("Sigmoid", {"d"}, {"y"});
  const Graph graph = Graph::load(net.output("y").output("a").save());
  const std::vector<std::string> outputs = {"y", "c", "a"};  // c is before an activation, a is used again
  PlanOptions options;
  options.chunk = 2;
  const auto plan = Plan::make(graph, "x", outputs, options).plan;
  ASSERT_TRUE(plan);
  const Tensor x = random({5, 3, 9, 9});
  const Tensors found = plan->run_all(x), expected = graph.run({{"x", x}}, outputs);
  ASSERT_EQ(found.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-4, 1e-6)) << outputs[i];
  EXPECT_TRUE(at::equal(plan->run(x), found[0]));
  EXPECT_THAT(message_of<UsageError>([&] { Plan::make(graph, "x", std::vector<std::string>{}); }),
              HasSubstr("without an output"));
}

OnnxBuilder deep_net() {
  OnnxBuilder net = image_net(3, 16);
  std::string x = "x";
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    net.initializer("w" + n, random({8, i == 0 ? 3 : 8, 3, 3}, 0.2)).node("Conv", {x, "w" + n}, {"c" + n});
    net.attribute("pads", Sizes(4, 1)).node("Relu", {"c" + n}, {"r" + n});
    x = "r" + n;
  }
  net.node("GlobalAveragePool", {x}, {"p"}).node("Flatten", {"p"}, {"f"});
  net.initializer("head", random({8, 5})).node("MatMul", {"f", "head"}, {"y"}).output("y");
  return net;
}

TEST_F(PlanTest, TheSplitChangesRoundingOnlyAndTheSamePlanGivesTheSameBytes) {
  const Graph graph = Graph::load(deep_net().save());
  const Tensor x = random({7, 3, 16, 16});
  const Tensor expected = graph.run({{"x", x}}, {"y"})[0];
  const double range = (expected.max() - expected.min()).item<double>();
  for (const int64_t chunk : {1, 2, 3, 7, 8})
    for (const bool side_by_side : {false, true}) {
      PlanOptions options;
      options.chunk = chunk;
      options.side_by_side = side_by_side;
      options.small_layer = 0;
      const auto plan = Plan::make(graph, "x", "y", options).plan;
      ASSERT_TRUE(plan);
      EXPECT_EQ(plan->chunk(), chunk);
      const Tensor found = plan->run(x);
      EXPECT_LE((found - expected).abs().max().item<double>(), 1e-5 * range);
      EXPECT_TRUE(at::equal(plan->run(x), found));
      EXPECT_TRUE(at::equal(Plan::make(graph, "x", "y", options).plan->run(x), found));
    }
}

TEST_F(PlanTest, TimesItsOwnSplitAndSaysWhatItDid) {
  const Graph graph = Graph::load(deep_net().save());
  const auto plan = Plan::make(graph, "x", "y").plan;
  ASSERT_TRUE(plan);
  EXPECT_THAT((std::vector<int64_t>{1, 2, 4, 8}), Contains(plan->chunk()));
  EXPECT_LT(plan->difference(), 1e-5);
  EXPECT_EQ(plan->record().at("engine"), "plan");
  EXPECT_EQ(plan->record().at("chunk"), std::to_string(plan->chunk()));
  // Two values of 8 channels live at once, never more: 8 KB each in float32.
  EXPECT_GE(plan->bytes_per_sample(), 2 * 8 * 16 * 16 * 4);
  EXPECT_LT(plan->bytes_per_sample(), 3 * 8 * 16 * 16 * 4);
  EXPECT_GE(plan->bytes_of_weights(), (3 + 8 + 8 + 8) * 8 * 9 * 4);
  for (const PlanStep& step : plan->steps()) EXPECT_GT(step.seconds, 0) << step.op;
}

TEST_F(PlanTest, RunsInSeveralThreadsAtOnce) {
  const Graph graph = Graph::load(deep_net().save());
  PlanOptions options;
  options.small_layer = 0;
  const auto plan = Plan::make(graph, "x", "y", options).plan;
  ASSERT_TRUE(plan);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const Tensor x = random({5, 3, 16, 16});
        if (!at::allclose(plan->run(x), graph.run({{"x", x}}, {"y"})[0], 1e-4, 1e-5)) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

constexpr bool is_address_sanitized() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
  return __has_feature(address_sanitizer);
#else
  return false;
#endif
}

TEST_F(PlanTest, AThousandRunsLeaveNothingBehind) {
  use_caching_allocator();
  const Graph graph = Graph::load(deep_net().save());
  const auto plan = Plan::make(graph, "x", "y").plan;
  ASSERT_TRUE(plan);
  const Tensor x = random({2, 3, 16, 16});
  const auto run_both = [&] { plan->run(x).add_(graph.run({{"x", x}}, {"y"})[0]); };
  run_both();
  const MemoryUse before = memory_use();
  for (int i = 0; i < 1000; ++i) run_both();
  EXPECT_EQ(memory_use().live, before.live);
  EXPECT_LE(memory_use().kept, 2 * before.kept);
  // Under the address sanitizer freed memory stays for a while.
  const int64_t allowed = is_address_sanitized() ? 1'000'000'000 : 10'000'000;
  EXPECT_LT(memory_use().resident, before.resident + allowed);
}

TEST_F(PlanTest, ComputesInBf16WhereTheProcessorCan) {
  const Graph graph = Graph::load(deep_net().save());
  PlanOptions options;
  options.precision = "bf16";
  options.small_layer = 0;
  const Plan::Attempt attempt = Plan::make(graph, "x", "y", options);
  if (!onednn::has_bf16()) {
    EXPECT_THAT(attempt.refusal, HasSubstr("bf16"));
    return;
  }
  ASSERT_TRUE(attempt.plan) << attempt.refusal;
  EXPECT_EQ(attempt.plan->precision(), "bf16");
  EXPECT_GT(attempt.plan->difference(), 1e-5) << "this was float32";
  EXPECT_EQ(attempt.plan->run(random({2, 3, 16, 16})).scalar_type(), at::kFloat);
}

TEST_F(PlanTest, IsRefusedWhereItWouldBeWrong) {
  const Graph graph = Graph::load(deep_net().save());
  PlanOptions strict;
  strict.tolerance = 1e-12;
  EXPECT_THAT(Plan::make(graph, "x", "y", strict).refusal, HasSubstr("differs from the graph by"));
  PlanOptions broken;
  broken.samples = at::zeros({2, 3, 16, 16}) / 0.0;
  EXPECT_THAT(Plan::make(graph, "x", "y", broken).refusal, HasSubstr("NaN"));
  LoadOptions wide;
  wide.double_precision = true;
  EXPECT_THAT(Plan::make(Graph::load(deep_net().save(), wide), "x", "y").refusal, HasSubstr("float64"));
}

TEST_F(PlanTest, RefusesWrongCalls) {
  const Graph graph = Graph::load(deep_net().save());
  PlanOptions options;
  options.precision = "float16";
  EXPECT_THAT(message_of<UsageError>([&] { Plan::make(graph, "x", "y", options); }),
              HasSubstr("float32, bf16 or fp16"));
  EXPECT_THAT(message_of<UsageError>([&] { Plan::make(graph, "x", "z"); }), HasSubstr("'z'"));
  const auto plan = Plan::make(graph, "x", "y").plan;
  ASSERT_TRUE(plan);
  EXPECT_THAT(message_of<UsageError>([&] { plan->run(at::zeros({1, 3, 15, 16})); }), HasSubstr("[N,3,16,16]"));
}

}  // namespace
}  // namespace vitrail
