// Attribution on layers: the input behind an Identity, layers with residual branches, tokens, rows; conductance and its
// relatives; FullGrad on graphs.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/fullgrad.h>
#include <vitrail/integrated_gradients.h>
#include <vitrail/layer_integrals.h>
#include <vitrail/layer_scorer.h>
#include <vitrail/method.h>
#include <vitrail/model.h>
#include <vitrail/neuron.h>
#include <vitrail/saliency.h>

#include <cmath>

#include "attribution/perturbation/scorers_for_tests.h"
#include "support/message_of.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using vitrail::testing::message_of;
using vitrail::testing::OnnxBuilder;

constexpr int64_t size = 8;

Tensor photos() { return wave(6, size, size, 0.37).view({2, 3, size, size}); }
Tensor row(int64_t n, double frequency) { return wave(1, 1, n, frequency)[0][0]; }
Tensor ints(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

/// x -> Mul by one ("same") -> Conv + BatchNormalization + `activation` ("block1") -> Conv ("inner") -> Add of block1
/// ("sum") -> activation -> mean over positions -> Gemm.
Model residual_net(const std::string& activation = "Relu", bool softmax = false) {
  OnnxBuilder net;
  net.input("x", {-1, 3, size, size})
      .initializer("one", at::tensor(1.f))
      .initializer("w1", wave(12, 3, 3, 0.9).view({4, 3, 3, 3}))
      .initializer("b1", row(4, 1.7))
      .initializer("scale", row(4, 0.4) + 1.5)
      .initializer("shift", row(4, 2.3))
      .initializer("mean", row(4, 1.1))
      .initializer("var", row(4, 0.6) + 2)
      .initializer("w2", wave(16, 3, 3, 0.7).view({4, 4, 3, 3}) / 4)
      .initializer("b2", row(4, 0.8))
      .initializer("head", wave(1, 4, 5, 1.3)[0])
      .initializer("bias", row(5, 0.5));
  const auto activate = [&](const std::string& from, const std::string& to) {
    if (activation == "Clip")
      net.node("Clip", {from, "low", "high"}, {to});
    else
      net.node(activation, {from}, {to});
  };
  if (activation == "Clip") net.initializer("low", at::tensor(0.f)).initializer("high", at::tensor(0.8f));
  net.node("Mul", {"x", "one"}, {"same"})
      .node("Conv", {"same", "w1", "b1"}, {"c1"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("BatchNormalization", {"c1", "scale", "shift", "mean", "var"}, {"n1"});
  activate("n1", "block1");
  net.node("Conv", {"block1", "w2", "b2"}, {"inner"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Add", {"inner", "block1"}, {"sum"});
  activate("sum", "block2");
  net.node("GlobalAveragePool", {"block2"}, {"pool"}).node("Flatten", {"pool"}, {"flat"});
  net.node("Gemm", {"flat", "head", "bias"}, {"y"});
  if (softmax) net.node("Softmax", {"y"}, {"p"});
  return Model::load(net.output(softmax ? "p" : "y").save(), {.preprocess = "unit"});
}

std::vector<Target> targets() { return {target(0), target(3)}; }

std::vector<Explanation> explain(const std::string& method, const Scorer& scorer, const Tensor& inputs) {
  return parse_method(method)->explain(scorer, inputs, {});
}

// The law: attribution on the input is attribution on an Identity behind it.

class OnTheInput : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Methods, OnTheInput,
                         ::testing::Values("saliency:", "gradient_x_input:", "ig:", "guided_ig:steps=8,",
                                           "blur_ig:steps=8,", "smoothgrad:samples=9,", "vargrad:samples=9,",
                                           "expected_gradients:samples=9,", "guided_backprop:", "deconvnet:",
                                           "occlusion:patch=3,stride=2,", "rise:masks=50,grid=3,",
                                           "sobol:grid=2,designs=4,", "morris:grid=2,designs=4,",
                                           "dgsm:grid=2,samples=4,", "dgsm_morris:grid=2,designs=4,samples=4,"));

TEST_P(OnTheInput, IsAttributionOnAnIdentityBehindIt) {
  const auto probe = residual_net().probe(targets());
  const std::string method = GetParam();
  const auto input = explain(method.substr(0, method.size() - 1), *probe, photos());
  for (const char* layer : {"same", "x"}) {
    const auto behind = explain(method + "layer=" + layer, *probe, photos());
    ASSERT_EQ(behind.size(), input.size());
    for (size_t i = 0; i < input.size(); ++i) {
      const double range = (input[i].map.max() - input[i].map.min()).item<double>();
      EXPECT_LE((behind[i].map - input[i].map).abs().max().item<double>(), 1e-5 * range) << layer;
      EXPECT_NEAR(behind[i].score, input[i].score, 1e-5);
      EXPECT_EQ(behind[i].forwards, input[i].forwards);
      EXPECT_EQ(behind[i].plan.at("layer"), layer);
      if (input[i].standard_error.defined()) {
        EXPECT_TRUE(behind[i].standard_error.allclose(input[i].standard_error, 1e-3, 1e-5));
      }
    }
  }
}

// Layers.

TEST(OnALayer, ValuesBesideItStayAsTheyAre) {
  const Model model = residual_net();
  const auto probe = model.probe(targets());
  const Tensor x = photos().narrow(0, 1, 1);
  for (const char* layer : {"c1", "block1", "inner", "sum", "block2", "pool", "flat", "y"}) {
    const LayerScorer behind(*probe, x, layer);
    EXPECT_TRUE(behind.score(behind.value()).allclose(probe->score(x), 1e-5, 1e-5)) << layer;
    // Many values at once are each alone.
    const Tensor many = at::stack({behind.value()[0], behind.value()[0] * 0.5, behind.value()[0] * 0});
    const Tensor together = behind.score(many);
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_TRUE(together[i].allclose(behind.score(many.narrow(0, i, 1))[0], 1e-5, 1e-5)) << layer;
    EXPECT_FALSE(together[0].allclose(together[2])) << layer;
  }
  // `inner` off leaves the branch beside it: block2 is then the activation of block1.
  const LayerScorer inner(*probe, x, "inner"), sum(*probe, x, "sum");
  const Tensor block1 = model.graph().run({{"x", x}}, {"block1"})[0];
  EXPECT_TRUE(inner.score(inner.value() * 0).allclose(sum.score(block1), 1e-5, 1e-5));
}

TEST(OnALayer, TheGraphNamesWhatRunsPastIt) {
  const Model model = residual_net();
  const Graph& graph = model.graph();
  EXPECT_THAT(graph.beside("inner", "y"), ::testing::ElementsAre("block1"));
  EXPECT_THAT(graph.beside("block1", "y"), ::testing::IsEmpty());
  EXPECT_THAT(graph.beside("x", "y"), ::testing::IsEmpty());
  EXPECT_THAT(graph.beside("y", "inner"), ::testing::ElementsAre("inner"));  // does not depend on y
}

TEST(OnALayer, OnlyWhatLiesBehindIsComputed) {
  const auto probe = residual_net().probe(targets());
  const auto result = explain("ig:layer=block2", *probe, photos().narrow(0, 0, 1))[0];
  EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{size, size}));
  // Behind block2 the score is linear: one sum is exact, from all units off.
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-4);
  EXPECT_NEAR(result.map.sum().item<double>(), result.score - row(5, 0.5)[0].item<double>(), 1e-3);
}

TEST(OnALayer, RowsAndPooledValuesHaveNoPlace) {
  const auto probe = residual_net().probe(targets());
  const auto result = explain("gradient_x_input:layer=flat,reducer=sum", *probe, photos().narrow(0, 0, 1))[0];
  EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{size, size}));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("no place in the photo")));
  EXPECT_NEAR(result.cells.sum().item<double>(), result.score - row(5, 0.5)[0].item<double>(), 1e-4);
  EXPECT_EQ(explain("saliency:layer=flat", *probe, photos())[0].unit, "logit per layer unit");
}

TEST(OnALayer, MistakesAreExplained) {
  const auto probe = residual_net().probe(targets());
  EXPECT_THAT(message_of<UsageError>([&] { explain("saliency:layer=block9", *probe, photos()); }), HasSubstr("block9"));
  EXPECT_THAT(message_of<UsageError>([&] { explain("saliency:layer=w1", *probe, photos()); }),
              HasSubstr("one row a sample"));
  EXPECT_THAT(message_of<UsageError>([&] {
                explain("rise:layer=block1,masks=5", CallableScorer([](const Tensor& x) { return x; }), photos());
              }),
              HasSubstr("needs the layers of a network"));
}

/// Patches cut by a convolution, as tokens with a class token in front, mixed by attention weights that do not depend
/// on the photo; the class token is read.
Model token_net() {
  OnnxBuilder net;
  net.input("x", {-1, 3, size, size})
      .initializer("w", wave(15, 2, 2, 0.9).view({5, 3, 2, 2}))
      .initializer("cls", wave(1, 1, 5, 0.3))
      .initializer("flatten", ints({0, 5, 16}))
      .initializer("mix", wave(1, 17, 17, 0.21)[0] / 4)
      .initializer("head", wave(1, 5, 4, 1.3)[0]);
  net.node("Conv", {"x", "w"}, {"cut"})
      .attribute("strides", std::vector<int64_t>{2, 2})
      .node("Reshape", {"cut", "flatten"}, {"rows"})
      .node("Transpose", {"rows"}, {"patches"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1})
      .node("ReduceMean", {"patches"}, {"average"})
      .attribute("keepdims", int64_t{1})
      .node("Mul", {"average", "nothing"}, {"off"})
      .node("Add", {"off", "cls"}, {"class"})
      .node("Concat", {"class", "patches"}, {"tokens"})
      .attribute("axis", int64_t{1})
      .node("MatMul", {"mix", "tokens"}, {"mixed"})
      .node("Tanh", {"mixed"}, {"curved"})
      .node("Gather", {"curved", "first"}, {"read"})
      .attribute("axis", int64_t{1})
      .node("MatMul", {"read", "head"}, {"y"});
  net.initializer("nothing", at::zeros({1})).initializer("first", at::tensor(int64_t{0}));
  return Model::load(net.output("y").save(), {.preprocess = "unit"});
}

TEST(OnTokens, CellsArePatchesAndTheClassTokenStays) {
  const Model model = token_net();
  const auto probe = model.probe({target(1)});
  const Tensor x = photos().narrow(0, 0, 1);
  const auto result = explain("ig:layer=tokens,tolerance=1e-5", *probe, x)[0];
  EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{4, 4}));
  Tensor tokens = model.graph().run({{"x", x}}, {"tokens"})[0].clone();
  tokens.narrow(1, 1, 16).zero_();  // the baseline: all patches off
  const double rise = result.score - model.graph().run({{"tokens", tokens}}, {"y"})[0].flatten()[1].item<double>();
  EXPECT_NEAR(result.cells.sum().item<double>(), rise, 1e-3 * std::abs(rise));
}

// Conductance, internal influence, layer integrated gradients.

double rise_of(const Probe& probe, const Tensor& x, int64_t t) {
  const at::NoGradGuard no_grad;
  return (probe.score(x) - probe.score(at::zeros_like(x)))[0][t].item<double>();
}

TEST(LayerIntegrals, AddUpToTheRiseWhereNothingRunsPastTheLayer) {
  for (const char* activation : {"Softplus", "Tanh"}) {
    const auto probe = residual_net(activation).probe(targets());
    const Tensor x = photos().narrow(0, 0, 1);
    for (const char* layer : {"n1", "block1", "sum", "flat"}) {
      for (const char* method : {"conductance:steps=100,layer=", "layer_ig:steps=20,layer="}) {
        const auto results = explain(std::string(method) + layer, *probe, x);
        for (int64_t t = 0; t < 2; ++t) {
          const double rise = rise_of(*probe, x, t);
          const Explanation& result = results[static_cast<size_t>(t)];
          ASSERT_TRUE(result.completeness_gap.has_value()) << layer;
          EXPECT_NEAR(result.cells.sum().item<double>(), rise, 2e-3 * std::abs(rise) + 1e-4) << method << layer;
        }
      }
    }
    EXPECT_FALSE(explain("conductance:layer=inner", *probe, x)[0].completeness_gap.has_value());
  }
}

TEST(LayerIntegrals, OfTheInputAreIntegratedGradients) {
  const auto probe = residual_net("Softplus").probe(targets());
  const auto expected = explain("ig:tolerance=1e-5", *probe, photos());
  for (const char* method : {"conductance:steps=200,layer=same", "layer_ig:layer=same"}) {
    const auto found = explain(method, *probe, photos());
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_LT((found[i].map - expected[i].map).abs().max().item<double>(),
                1e-3 * expected[i].map.abs().max().item<double>())
          << method;
  }
}

TEST(LayerIntegrals, InternalInfluenceIsTheMeanGradient) {
  // Behind block2 the score is linear: its gradient is the head's weights over the positions.
  const auto probe = residual_net().probe(targets());
  const auto result = explain("internal_influence:layer=block2", *probe, photos())[0];
  const double expected = wave(1, 4, 5, 1.3)[0].select(1, 0).sum().item<double>() / (size * size);
  EXPECT_NEAR(result.cells.min().item<double>(), expected, 1e-5);
  EXPECT_NEAR(result.cells.max().item<double>(), expected, 1e-5);
  EXPECT_EQ(result.unit, "logit per layer unit");
}

TEST(LayerIntegrals, TakeTheLastLayerWithPositions) {
  const auto probe = residual_net().probe(targets());
  EXPECT_EQ(explain("conductance:steps=3", *probe, photos())[0].plan.at("layer"), "block2");
}

// Neurons.

TEST(Neuron, IsAUnitOfALayer) {
  const Model model = residual_net();
  const Tensor block1 = model.graph().run({{"x", photos()}}, {"block1"})[0], flat = block1.mean({2, 3});
  const auto score = [&](const std::string& unit) { return neuron_probe(model, unit)->score(photos()).squeeze(1); };
  EXPECT_TRUE(score("block1:2").allclose(flat.select(1, 2), 1e-5, 1e-6));
  EXPECT_TRUE(score("block1:2:3:5").allclose(block1.select(1, 2).select(1, 3).select(1, 5), 1e-5, 1e-6));
  EXPECT_TRUE(score("y:4").allclose(model.logits(photos()).select(1, 4), 1e-5, 1e-5));
  EXPECT_EQ(neuron_probe(model, "block1:2")->targets()[0].string, "block1:2");
}

TEST(Neuron, SeesItsReceptiveField) {
  const Model model = residual_net("Softplus");
  const auto result = saliency(*neuron_probe(model, "n1:1:3:4"), photos())[0];
  const Tensor weights = wave(12, 3, 3, 0.9).view({4, 3, 3, 3})[1];
  const double factor = ((row(4, 0.4)[1] + 1.5) / (row(4, 0.6)[1] + 2 + 1e-5).sqrt()).item<double>();
  Tensor expected = at::zeros({size, size});
  expected.narrow(0, 2, 3).narrow(1, 3, 3).copy_((weights * factor).abs().amax(0));
  EXPECT_TRUE(result.map.allclose(expected, 1e-4, 1e-6));
}

TEST(Neuron, HasLayersOfItsOwn) {
  const auto probe = neuron_probe(residual_net("Softplus"), "sum:1:3:4");
  const auto integrals = explain("ig:layer=n1,tolerance=1e-4", *probe, photos().narrow(0, 0, 1))[0];
  EXPECT_NEAR(*integrals.completeness_gap, 0, 1e-3 * std::abs(integrals.score) + 1e-4);
  for (const LayerInfo& layer : probe->spatial_layers()) EXPECT_NE(layer.value, "block2");  // it does not lead to sum
}

TEST(Neuron, MistakesAreExplained) {
  const Model model = residual_net();
  const auto error = [&](const std::string& unit) {
    return message_of<UsageError>([&] { neuron_probe(model, unit); });
  };
  EXPECT_THAT(error("block1"), HasSubstr("LAYER:channel"));
  EXPECT_THAT(error("block7:1"), HasSubstr("block7"));
  EXPECT_THAT(error("block1:4"), HasSubstr("channel 4"));
  EXPECT_THAT(error("block1:3:8:0"), HasSubstr("row 8"));
  EXPECT_THAT(error("block1:3:0:9"), HasSubstr("column 9"));
}

// FullGrad.

class FullGradOnGraphs : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Activations, FullGradOnGraphs,
                         ::testing::Values("Relu", "Clip", "LeakyRelu", "Sigmoid", "Softplus", "HardSwish"));

TEST_P(FullGradOnGraphs, AddsUpToTheScore) {
  const auto probe = residual_net(GetParam()).probe(targets());
  for (const Explanation& result : fullgrad(*probe, photos())) {
    EXPECT_NEAR(result.map.sum().item<double>(), result.score, 1e-4 * (1 + std::abs(result.score)));
    EXPECT_LT(std::abs(*result.completeness_gap), 1e-4 * (1 + std::abs(result.score)));
  }
}

TEST(FullGrad, KnowsTheBiasesOfConvolutionsNormalisationsAndLinearLayers) {
  const Model model = residual_net();
  const Tensor x = photos().narrow(0, 0, 1);
  const auto terms = model.probe({target(0)})->bias_terms(x);
  std::vector<std::string> found;
  for (const BiasTerm& term : terms) found.push_back(term.op);
  EXPECT_THAT(found, ::testing::ElementsAre("input", "Conv", "BatchNormalization", "Conv", "Gemm"));
  // The second convolution: gradient at `inner` times its bias.
  const at::AutoGradMode recording(true);
  const Tensor inner = model.graph().run({{"x", x}}, {"inner"})[0].detach().requires_grad_(true);
  const Tensor y = model.graph().run({{"inner", inner}, {"x", x}}, {"y"})[0];
  const Tensor at_inner = gradient({y[0][0]}, {inner})[0];
  EXPECT_TRUE(terms[3].planes[0].allclose(at_inner[0] * row(4, 0.8).view({4, 1, 1}), 1e-4, 1e-6));
  EXPECT_TRUE(terms[3].has_place);
  // The normalisation: beta - gamma mu / sqrt(var + epsilon), where block1 is on.
  const Tensor n1 = model.graph().run({{"x", x}}, {"n1"})[0].detach().requires_grad_(true);
  const Tensor at_n1 = gradient({model.graph().run({{"n1", n1}}, {"y"})[0][0][0]}, {n1})[0];
  const Tensor bias = row(4, 2.3) - (row(4, 0.4) + 1.5) * row(4, 1.1) / (row(4, 0.6) + 2 + 1e-5).sqrt();
  EXPECT_TRUE(terms[2].planes[0].allclose(at_n1[0] * bias.view({4, 1, 1}), 1e-3, 1e-6));
  EXPECT_NEAR(terms[4].planes.sum().item<double>(), row(5, 0.5)[0].item<double>(), 1e-5);
  EXPECT_FALSE(terms[4].has_place);
}

TEST(FullGrad, ProbabilitiesHaveATermOfTheirOwn) {
  Target probability = target(2);
  probability.unit = TargetUnit::probability;
  const auto result = fullgrad(*residual_net("Relu", true).probe({probability}), photos())[0];
  EXPECT_NEAR(result.map.sum().item<double>(), result.score, 1e-5);
}

TEST(FullGrad, OfTokensAddsUpToTheScore) {
  const auto result = fullgrad(*token_net().probe({target(1)}), photos())[0];
  EXPECT_NEAR(result.map.sum().item<double>(), result.score, 1e-4);
}

TEST(FullGrad, AFunctionHasNoBiasesToShow) {
  EXPECT_THROW(explain("fullgrad", curved_scorer(3, size, size), photos()), UsageError);
}

}  // namespace
}  // namespace vitrail
