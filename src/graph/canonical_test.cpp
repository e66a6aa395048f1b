// Every spelling of a layer becomes one node, and no output changes.

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/onnx_builder.h"
#include "vitrail/graph.h"

namespace vitrail {
namespace {

using testing::OnnxBuilder;

Tensor ints(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }
Tensor scalar(double value) { return at::full({}, value, at::kFloat); }

std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  for (const NodeInfo& node : graph.nodes()) names.push_back(node.op);
  return names;
}

/// Canonical and literal graphs agree in values and in gradients; the canonical one has these operators.
void expect_rewritten(const OnnxBuilder& net, std::vector<int64_t> shape, const std::vector<std::string>& expected) {
  auto path = net.save();
  Graph canonical = Graph::load(path), literal = Graph::load(path, {.canonical = false});
  EXPECT_EQ(operators(canonical), expected);
  EXPECT_GT(literal.nodes().size(), canonical.nodes().size());
  Tensor x = at::randn(shape);
  auto run = [&](const Graph& graph) {
    Tensor leaf = x.clone().requires_grad_();
    Tensor y = graph.run({{"x", leaf}}, {"y"})[0];
    return std::make_pair(y.detach(), gradient({y.square().sum()}, {leaf})[0]);
  };
  auto [a, ga] = run(canonical);
  auto [b, gb] = run(literal);
  EXPECT_TRUE(at::allclose(a, b, 1e-4, 1e-5)) << (a - b).abs().max().item<float>();
  EXPECT_TRUE(at::allclose(ga, gb, 1e-3, 1e-4)) << (ga - gb).abs().max().item<float>();
}

struct LayerNormSpelling {
  bool power, affine;
};
class LayerNorm : public ::testing::TestWithParam<LayerNormSpelling> {};

TEST_P(LayerNorm, IsRecognised) {
  OnnxBuilder net(17);
  net.input("x", {-1, 5, 6})
      .initializer("two", scalar(2))
      .initializer("eps", scalar(1e-5))
      .initializer("gamma", at::randn({6}))
      .initializer("beta", at::randn({6}))
      .node("ReduceMean", {"x"}, {"mean"})
      .attribute("axes", std::vector<int64_t>{-1})
      .node("Sub", {"x", "mean"}, {"centred"});
  if (GetParam().power)
    net.node("Pow", {"centred", "two"}, {"square"});
  else
    net.node("Mul", {"centred", "centred"}, {"square"});
  net.node("ReduceMean", {"square"}, {"variance"})
      .attribute("axes", std::vector<int64_t>{-1})
      .node("Add", {"variance", "eps"}, {"shifted"})
      .node("Sqrt", {"shifted"}, {"root"});
  if (GetParam().affine)
    net.node("Div", {"centred", "root"}, {"n"})
        .node("Mul", {"n", "gamma"}, {"scaled"})
        .node("Add", {"beta", "scaled"}, {"y"});
  else
    net.node("Div", {"centred", "root"}, {"y"});
  expect_rewritten(net.output("y"), {2, 5, 6}, {"LayerNormalization"});
}
INSTANTIATE_TEST_SUITE_P(Spellings, LayerNorm,
                         ::testing::Values(LayerNormSpelling{true, true}, LayerNormSpelling{false, true},
                                           LayerNormSpelling{true, false}));

TEST(Canonical, GeluByErf) {
  OnnxBuilder net;
  net.input("x", {-1, 7})
      .initializer("root2", scalar(std::sqrt(2.0)))
      .initializer("one", scalar(1))
      .initializer("half", scalar(0.5))
      .node("Div", {"x", "root2"}, {"a"})
      .node("Erf", {"a"}, {"e"})
      .node("Add", {"e", "one"}, {"p"})
      .node("Mul", {"x", "p"}, {"m"})
      .node("Mul", {"m", "half"}, {"y"});
  expect_rewritten(net.output("y"), {3, 7}, {"Gelu"});
}

TEST(Canonical, GeluByErfHalfFirst) {
  OnnxBuilder net;
  net.input("x", {-1, 7})
      .initializer("inverse", scalar(M_SQRT1_2))
      .initializer("one", scalar(1))
      .initializer("half", scalar(0.5))
      .node("Mul", {"x", "half"}, {"h"})
      .node("Mul", {"x", "inverse"}, {"a"})
      .node("Erf", {"a"}, {"e"})
      .node("Add", {"one", "e"}, {"p"})
      .node("Mul", {"h", "p"}, {"y"});
  expect_rewritten(net.output("y"), {3, 7}, {"Gelu"});
}

TEST(Canonical, GeluByTanh) {
  OnnxBuilder net;
  net.input("x", {-1, 7})
      .initializer("three", scalar(3))
      .initializer("c", scalar(0.044715))
      .initializer("k", scalar(std::sqrt(2 / M_PI)))
      .initializer("one", scalar(1))
      .initializer("half", scalar(0.5))
      .node("Pow", {"x", "three"}, {"cube"})
      .node("Mul", {"cube", "c"}, {"small"})
      .node("Add", {"x", "small"}, {"sum"})
      .node("Mul", {"sum", "k"}, {"inner"})
      .node("Tanh", {"inner"}, {"t"})
      .node("Add", {"t", "one"}, {"p"})
      .node("Mul", {"x", "half"}, {"h"})
      .node("Mul", {"h", "p"}, {"y"});
  expect_rewritten(net.output("y"), {3, 7}, {"Gelu"});
}

TEST(Canonical, AlmostGeluIsLeftAlone) {
  OnnxBuilder net;
  net.input("x", {-1, 7})
      .initializer("root2", scalar(1.5))  // not sqrt 2
      .initializer("one", scalar(1))
      .initializer("half", scalar(0.5))
      .node("Div", {"x", "root2"}, {"a"})
      .node("Erf", {"a"}, {"e"})
      .node("Add", {"e", "one"}, {"p"})
      .node("Mul", {"x", "p"}, {"m"})
      .node("Mul", {"m", "half"}, {"y"});
  Graph graph = Graph::load(net.output("y").save());
  EXPECT_THAT(operators(graph), ::testing::Not(::testing::Contains("Gelu")));
}

TEST(Canonical, SiluAndHardSwish) {
  OnnxBuilder silu;
  silu.input("x", {-1, 7}).node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "s"}, {"y"});
  expect_rewritten(silu.output("y"), {3, 7}, {"Swish"});
  OnnxBuilder hard;
  hard.input("x", {-1, 7})
      .node("HardSigmoid", {"x"}, {"s"})
      .attribute("alpha", 1.0f / 6)
      .attribute("beta", 0.5f)
      .node("Mul", {"s", "x"}, {"y"});
  expect_rewritten(hard.output("y"), {3, 7}, {"HardSwish"});
}

TEST(Canonical, GroupNormByInstanceNorm) {
  OnnxBuilder net;
  net.input("x", {-1, 6, 4, 4})
      .initializer("split", ints({0, 3, -1}))
      .initializer("ones", at::ones({3}))
      .initializer("zeros", at::zeros({3}))
      .initializer("back", ints({-1, 6, 4, 4}))
      .initializer("weight", at::randn({6, 1, 1}))
      .initializer("bias", at::randn({6, 1, 1}))
      .node("Reshape", {"x", "split"}, {"g"})
      .node("InstanceNormalization", {"g", "ones", "zeros"}, {"n"})
      .node("Reshape", {"n", "back"}, {"r"})
      .node("Mul", {"r", "weight"}, {"s"})
      .node("Add", {"s", "bias"}, {"y"});
  expect_rewritten(net.output("y"), {2, 6, 4, 4}, {"GroupNormalization"});
}

OnnxBuilder attention_net(bool mask, bool scale_both_sides) {
  OnnxBuilder net;
  net.input("x", {-1, 5, 8})
      .initializer("heads", ints({0, 5, 2, 4}))
      .initializer("merge", ints({0, 5, 8}))
      .initializer("scale", scalar(0.5))
      .initializer("root", scalar(std::sqrt(0.5)))
      .initializer("bias", at::randn({1, 2, 5, 5}));
  for (const char* name : {"q", "k", "v"})
    net.initializer(std::string("w") + name, at::randn({8, 8}) * 0.3)
        .node("MatMul", {"x", std::string("w") + name}, {std::string("p") + name})
        .node("Reshape", {std::string("p") + name, "heads"}, {std::string("r") + name})
        .node("Transpose", {std::string("r") + name}, {std::string("t") + name})
        .attribute("perm",
                   std::string(name) == "k" ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3});
  if (scale_both_sides)
    net.node("Mul", {"tq", "root"}, {"sq"})
        .node("Mul", {"tk", "root"}, {"sk"})
        .node("MatMul", {"sq", "sk"}, {"logits0"});
  else
    net.node("MatMul", {"tq", "tk"}, {"raw"}).node("Mul", {"raw", "scale"}, {"logits0"});
  if (mask) net.node("Add", {"logits0", "bias"}, {"logits1"});
  net.node("Softmax", {mask ? "logits1" : "logits0"}, {"probabilities_of_attention"})
      .attribute("axis", int64_t{-1})
      .node("MatMul", {"probabilities_of_attention", "tv"}, {"o"})
      .node("Transpose", {"o"}, {"ot"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1, 3})
      .node("Reshape", {"ot", "merge"}, {"y"});
  net.output("y");
  return net;
}

TEST(Canonical, AttentionKeepsTheNameOfItsSoftmax) {
  for (bool mask : {false, true})
    for (bool both : {false, true}) {
      auto path = attention_net(mask, both).save();
      Graph canonical = Graph::load(path), literal = Graph::load(path, {.canonical = false});
      EXPECT_THAT(operators(canonical), ::testing::Contains("Attention"));
      EXPECT_THAT(operators(canonical), ::testing::Not(::testing::Contains("Softmax")));
      Tensor x = at::randn({3, 5, 8});
      for (const char* value : {"y", "probabilities_of_attention"})
        EXPECT_TRUE(
            at::allclose(canonical.run({{"x", x}}, {value})[0], literal.run({{"x", x}}, {value})[0], 1e-4, 1e-5))
            << value << mask << both;
    }
}

TEST(Canonical, NoOpsGoAndTheirNamesStay) {
  OnnxBuilder net;
  net.input("x", {-1, 4})
      .initializer("w", at::randn({4, 3}))
      .node("Identity", {"x"}, {"same"})
      .node("MatMul", {"same", "w"}, {"m"})
      .node("Dropout", {"m"}, {"d"})
      .node("Relu", {"d"}, {"r"})
      .node("Flatten", {"r"}, {"y"})
      .output("y");
  Graph graph = Graph::load(net.save());
  EXPECT_THAT(operators(graph), ::testing::ElementsAre("MatMul", "Relu"));
  Tensor x = at::randn({2, 4});
  Tensors out = graph.run({{"x", x}}, {"y", "r", "d", "m", "same"});
  EXPECT_TRUE(at::allclose(out[0], out[1]));
  EXPECT_TRUE(at::allclose(out[2], out[3]));
  EXPECT_TRUE(at::allclose(out[4], x));
}

TEST(Canonical, SoftmaxOfOldFilesIsOneNode) {
  for (bool four_dimensions : {false, true}) {
    OnnxBuilder net(9);
    net.input("x", four_dimensions ? std::vector<int64_t>{1, 2, 3, 4} : std::vector<int64_t>{1, 4})
        .node("Relu", {"x"}, {"r"})
        .node("Softmax", {"r"}, {"y"})
        .attribute("axis", int64_t{four_dimensions ? 3 : 1})
        .output("y");
    EXPECT_THAT(operators(Graph::load(net.save())), ::testing::ElementsAre("Relu", "Softmax"));
  }
}

TEST(Canonical, TrailingSoftmaxNamesLogitsAndProbabilities) {
  OnnxBuilder net;
  net.input("x", {-1, 4})
      .initializer("w", at::randn({4, 3}))
      .node("MatMul", {"x", "w"}, {"m"})
      .node("Softmax", {"m"}, {"y"});
  Graph graph = Graph::load(net.output("y").save());
  EXPECT_EQ(graph.resolve("logits"), "m");
  EXPECT_EQ(graph.resolve("probabilities"), "y");
}

/// x, quantised and dequantised with a maximum and a rearrangement between them.
OnnxBuilder quantised(float second_scale) {
  OnnxBuilder net;
  net.input("x", {-1, 2, 4, 4})
      .initializer("scale", scalar(0.05))
      .initializer("scale2", scalar(second_scale))
      .initializer("zero", at::full({}, 128, at::kByte))
      .node("QuantizeLinear", {"x", "scale", "zero"}, {"q"})
      .node("MaxPool", {"q"}, {"m"})
      .attribute("kernel_shape", std::vector<int64_t>{2, 2})
      .node("Flatten", {"m"}, {"f"})
      .node("DequantizeLinear", {"f", "scale2", "zero"}, {"y"})
      .output("y");
  return net;
}

TEST(Canonical, QuantisationOnOneScaleStaysFloatingAndPassesTheGradient) {
  const std::filesystem::path path = quantised(0.05f).save();
  LoadOptions literal;
  literal.canonical = false;
  const Graph graph = Graph::load(path), spelled = Graph::load(path, literal);
  const Tensor x = at::randn({3, 2, 4, 4}).requires_grad_();
  const Tensor y = graph.run({{"x", x}}, {"y"})[0];
  EXPECT_TRUE(at::allclose(y, spelled.run({{"x", x.detach()}}, {"y"})[0], 0, 1e-6));
  EXPECT_TRUE(graph.non_differentiable("x", "y").empty());
  EXPECT_FALSE(spelled.non_differentiable("x", "y").empty());
  // Each of the 2 x 9 maxima hands its gradient to one place.
  EXPECT_FLOAT_EQ(gradient({y.sum()}, {x})[0].sum().item<float>(), 3 * 2 * 9);
}

TEST(Canonical, QuantisationOnTwoScalesIsLeftAlone) {
  const Graph graph = Graph::load(quantised(0.1f).save());
  EXPECT_FALSE(graph.non_differentiable("x", "y").empty());
}

}  // namespace
}  // namespace vitrail
