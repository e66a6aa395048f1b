#include <vitrail/lrp.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include "attribution/relevance/networks_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

double sum(const Explanation& result) { return result.map.sum(at::kDouble).item<double>(); }

bool close(const Tensor& a, const Tensor& b, double tolerance = 1e-5) {
  return (a - b).abs().max().item<double>() <= tolerance * (b.max() - b.min()).item<double>();
}

Tensor gradient_x_input_of(const Model& model, int64_t target) {
  return explain_by("gradient_x_input:reducer=sum", model, photo8(), {target})[0].map;
}

// Of ReLU nets without biases: every layer is linear where it is.
TEST(Lrp, ZeroIsGradientTimesInputWithoutBiases) {
  for (const ConvNetOptions& options :
       {ConvNetOptions{.biases = false}, ConvNetOptions{.biases = false, .batch_norm = true},
        ConvNetOptions{.biases = false, .reuse = true}}) {
    const Model model = load(conv_net(options));
    const Explanation result = explain_by("lrp:composite=epsilon,epsilon=0", model, photo8())[0];
    EXPECT_TRUE(close(result.map, gradient_x_input_of(model, 1), 1e-4));
    EXPECT_NEAR(*result.completeness_gap, 0, 1e-4 * std::abs(result.score));
    EXPECT_NEAR(std::stod(result.plan.at("conserved")), 1, 1e-3);
    EXPECT_NEAR(std::stod(result.plan.at("absorbed_by_biases")), 0, 1e-3);
    EXPECT_TRUE(result.warnings.empty());
  }
}

TEST(Lrp, EveryCompositeConservesWithoutBiases) {
  const Model model = load(conv_net({.biases = false, .reuse = true}));
  for (const char* composite : {"epsilon", "gamma", "epsilon_gamma_box", "epsilon_plus", "epsilon_plus_flat",
                                "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "excitation_backprop"}) {
    const Explanation result = explain_by(std::string("lrp:epsilon=1e-9,composite=") + composite, model, photo8())[0];
    EXPECT_NEAR(sum(result), result.score, 1e-3 * std::abs(result.score)) << composite;
  }
}

// What biases take and what arrives is all there is.
TEST(Lrp, BiasesTakeTheRest) {
  const Model model = load(conv_net());
  for (const char* composite : {"epsilon", "epsilon_plus_flat", "gamma"}) {
    const Explanation with = explain_by(std::string("lrp:epsilon=1e-9,composite=") + composite, model, photo8())[0];
    const double conserved = std::stod(with.plan.at("conserved")),
                 taken = std::stod(with.plan.at("absorbed_by_biases"));
    EXPECT_NEAR(conserved + taken, 1, 2e-3) << composite;
    EXPECT_GT(std::abs(taken), 0.01) << composite;
    EXPECT_NEAR(*with.completeness_gap, sum(with) - with.score, 1e-5);
    const Explanation without =
        explain_by(std::string("lrp:biases=false,epsilon=1e-9,composite=") + composite, model, photo8())[0];
    EXPECT_NEAR(sum(without), without.score, 2e-3 * std::abs(without.score)) << composite;
  }
}

/// Two layers by hand: x -> Conv -> Relu -> Flatten -> Gemm.
class TwoLayers : public ::testing::Test {
 protected:
  const Tensor w1 = waves({4, 3, 3, 3}, 0.9), b1 = waves({4}, 1.3, 0.2), w2 = waves({3, 64}, 0.7), b2 = waves({3}, 0.5);
  const Tensor x = waves({1, 3, 6, 6}, 0.41);
  const Model model_ = load(OnnxBuilder()
                                .input("x", {-1, 3, 6, 6})
                                .initializer("conv1.weight", w1)
                                .initializer("b1", b1)
                                .initializer("fc.weight", w2)
                                .initializer("b2", b2)
                                .node("Conv", {"x", "conv1.weight", "b1"}, {"z1"})
                                .node("Relu", {"z1"}, {"a1"})
                                .node("Flatten", {"a1"}, {"f1"})
                                .node("Gemm", {"f1", "fc.weight", "b2"}, {"y"})
                                .attribute("transB", int64_t{1})
                                .output("y"));
  const Tensor a1 = at::conv2d(x, w1, b1).relu();

  /// Relevance of the features for class 1 by the epsilon rule.
  Tensor of_features() const {
    const Tensor row = w2[1], score = at::matmul(row, a1.flatten()) + b2[1];
    return (row * a1.flatten() / (score + 1e-6 * score.sign()) * score).view(a1.sizes());
  }
  /// sum_j in w / z R over one set of contributions.
  static Tensor back(const Tensor& in, const Tensor& w, const Tensor& z, const Tensor& arrived) {
    return in * at::conv_transpose2d(at::where(z.eq(0), 0, arrived / z), w);
  }
};

TEST_F(TwoLayers, EpsilonPlusFlat) {
  const Tensor one = at::ones_like(w1),
               expected = back(at::ones_like(x), one, at::conv2d(at::ones_like(x), one), of_features());
  EXPECT_TRUE(close(explain_by("lrp", model_, x)[0].map, expected[0].sum(0), 1e-4));
}

TEST_F(TwoLayers, EpsilonPlus) {
  const Tensor up = w1.clamp_min(0), down = w1.clamp_max(0), positive = x.clamp_min(0), negative = x.clamp_max(0);
  const Tensor z = at::conv2d(positive, up) + at::conv2d(negative, down) + b1.clamp_min(0).view({1, -1, 1, 1});
  const Tensor expected = back(positive, up, z, of_features()) + back(negative, down, z, of_features());
  EXPECT_TRUE(close(explain_by("lrp:composite=epsilon_plus", model_, x)[0].map, expected[0].sum(0), 1e-4));
}

// `unit` preprocessing: pixels 0..255 become 0..1, so that the box is [0,1].
TEST_F(TwoLayers, EpsilonGammaBoxKnowsTheRangeOfPixels) {
  const Tensor high = w1.clamp_max(0), ones = at::ones_like(x);
  const Tensor z = at::conv2d(x, w1) - at::conv2d(ones, high);
  const Tensor expected = back(x, w1, z, of_features()) - back(ones, high, z, of_features());
  const Explanation result = explain_by("lrp:composite=epsilon_gamma_box", model_, x)[0];
  EXPECT_TRUE(close(result.map, expected[0].sum(0), 1e-3));
  EXPECT_EQ(result.forwards, 3);
}

TEST_F(TwoLayers, RulesOfSingleLayersGoFirst) {
  const Tensor square = w1 * w1, ones = at::ones_like(x);
  const Tensor expected = back(ones, square, at::conv2d(ones, square), of_features());
  for (const char* name : {"conv1", "z1"}) {
    const Explanation result = explain_by(std::string("lrp:rules=") + name + ":wsquare", model_, x)[0];
    EXPECT_TRUE(close(result.map, expected[0].sum(0), 1e-4)) << name;
    EXPECT_EQ(result.plan.at("rules"), "epsilon 1, pass 2, wsquare 1");
  }
  const Explanation both = explain_by("lrp:rules=conv1:wsquare+fc:zplus", model_, x)[0];
  EXPECT_EQ(both.plan.at("rules"), "pass 2, wsquare 1, zplus 1");
  for (const char* rule :
       {"zero", "norm", "gamma", "alpha1_beta0", "alpha2_beta1", "flat", "zbox", "epsilon", "zplus"}) {
    const Explanation result =
        explain_by(std::string("lrp:composite=epsilon_plus,epsilon=0.01,rules=conv1:") + rule, model_, x)[0];
    const bool same = at::equal(result.map, explain_by("lrp:composite=epsilon_plus,epsilon=0.01", model_, x)[0].map);
    EXPECT_EQ(same, std::string(rule) == "zplus" || std::string(rule) == "alpha1_beta0") << rule;
  }
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:rules=conv1:gama", model_, x); }), HasSubstr("gamma"));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:rules=conv9:gamma", model_, x); }), HasSubstr("conv9"));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:rules=a1:gamma", model_, x); }), HasSubstr("no weights"));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:rules=conv1", model_, x); }), HasSubstr("LAYER:RULE"));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:rules=fc:zbox", model_, x); }), HasSubstr("pixels"));
}

// Channel 2 of the features, and of the map only what comes from there.
TEST_F(TwoLayers, ChannelsConditionTheWalk) {
  Tensor kept = at::zeros_like(a1);
  kept.select(1, 2).copy_(of_features().select(1, 2));
  const Tensor one = at::ones_like(w1), expected = back(at::ones_like(x), one, at::conv2d(at::ones_like(x), one), kept);
  const Explanation result = explain_by("lrp:layer=a1,channels=2", model_, x)[0];
  EXPECT_TRUE(close(result.map, expected[0].sum(0), 1e-4));
  EXPECT_NEAR(std::stod(result.plan.at("start")), kept.sum().item<double>(), 1e-4);
  EXPECT_NEAR(std::stod(result.plan.at("conserved")), 1, 1e-3);
}

TEST(Lrp, ConditionsOnAllChannelsAddUp) {
  const Model model = load(conv_net());
  const Explanation whole = explain_by("lrp", model, photo8())[0];
  Tensor together = at::zeros_like(whole.map);
  for (const char* channels : {"0+3", "1", "2+4+5"})
    together = together + explain_by(std::string("lrp:layer=a1,channels=") + channels, model, photo8())[0].map;
  EXPECT_TRUE(close(together, whole.map));
  EXPECT_TRUE(close(explain_by("lrp:layer=a1", model, photo8())[0].map, whole.map));
}

TEST(Lrp, RefusesChannelsThatDoNotExist) {
  const Model model = load(conv_net());
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:layer=a1,channels=6", model, photo8()); }),
              HasSubstr("0 to 5"));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:layer=a1,channels=1+x", model, photo8()); }),
              HasSubstr("\"x\""));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:channels=1", model, photo8()); }), HasSubstr("layer=..."));
  EXPECT_THAT(message_of<UsageError>([&] { explain_by("lrp:layer=zz,channels=1", model, photo8()); }), HasSubstr("zz"));
}

// The same net with batch normalisation in nodes of its own and folded into the weights.
TEST(Lrp, DoesNotDependOnHowBatchNormalisationIsSpelled) {
  const Model spelled = load(conv_net({.batch_norm = true})), folded = load(conv_net());
  for (const char* method :
       {"lrp", "lrp:composite=epsilon_plus", "lrp:composite=gamma", "lrp:composite=epsilon_gamma_box",
        "lrp:composite=epsilon_alpha2_beta1", "lrp:composite=excitation_backprop", "deeplift"})
    EXPECT_TRUE(close(explain_by(method, spelled, photo8())[0].map, explain_by(method, folded, photo8())[0].map, 1e-4))
        << method;
}

/// x -> dense layer, spelled in several ways -> Relu -> Gemm
Model dense_net(const std::string& spelling) {
  OnnxBuilder net;
  const Tensor w = waves({12, 5}, 0.7), b = waves({5}, 1.2), scale = waves({5}, 0.4) + 1.5;
  net.input("x", {-1, 3, 2, 2}).node("Flatten", {"x"}, {"f"}).initializer("scale", scale);
  if (spelling == "gemm") {
    net.initializer("w", w * scale).initializer("b", b * scale).node("Gemm", {"f", "w", "b"}, {"z"});
  } else if (spelling == "matmul") {
    net.initializer("w", w).initializer("b", b);
    net.node("MatMul", {"f", "w"}, {"m"}).node("Add", {"b", "m"}, {"d"}).node("Mul", {"d", "scale"}, {"z"});
  } else {
    net.initializer("w", w.t().contiguous() * -2).initializer("b", b * -4);
    net.node("Gemm", {"f", "w", "b"}, {"m"})
        .attribute("transB", int64_t{1})
        .attribute("alpha", -0.5f)
        .attribute("beta", -0.25f);
    net.node("Mul", {"scale", "m"}, {"z"});
  }
  net.initializer("head", waves({5, 4}, 1.9))
      .node("Relu", {"z"}, {"a"})
      .node("MatMul", {"a", "head"}, {"y"})
      .output("y");
  return load(net);
}

TEST(Lrp, DoesNotDependOnHowADenseLayerIsSpelled) {
  const Tensor x = waves({1, 3, 2, 2}, 0.9);
  for (const char* method :
       {"lrp:composite=epsilon", "lrp:composite=gamma", "lrp:composite=excitation_backprop", "lrp"}) {
    const Tensor expected = explain_by(method, dense_net("gemm"), x)[0].map;
    for (const char* spelling : {"matmul", "scaled"}) {  // not by the map's range: the flat rule gives all pixels alike
      const Tensor map = explain_by(method, dense_net(spelling), x)[0].map;
      EXPECT_LE((map - expected).abs().max().item<double>(), 1e-5 * expected.abs().max().item<double>()) << method;
    }
  }
}

// A head on pooled features, spelled as a convolution.
TEST(Lrp, AConvolutionOverOnePositionIsDense) {
  OnnxBuilder net = conv_net({.biases = false});
  auto& graph = *net.proto().mutable_graph();
  graph.mutable_node()->RemoveLast();  // Gemm
  graph.mutable_node()->RemoveLast();  // Flatten
  net.initializer("kernel", waves({4, 6}, 1.3, 0.8).view({4, 6, 1, 1}))
      .node("Conv", {"pooled", "kernel"}, {"head_out"});
  net.node("Flatten", {"head_out"}, {"y"});
  const Explanation dense = explain_by("lrp", load(conv_net({.biases = false})), photo8())[0];
  EXPECT_TRUE(close(explain_by("lrp", load(net), photo8())[0].map, dense.map, 1e-4));
}

TEST(Lrp, NamesNodesThatTookTheDefault) {
  OnnxBuilder net;
  net.input("x", {-1, 1, 2, 2}).node("Flatten", {"x"}, {"f"}).node("LogSoftmax", {"f"}, {"l"});
  net.initializer("w", waves({4, 3}, 0.7)).node("MatMul", {"l", "w"}, {"y"}).output("y");
  const Explanation result = explain_by("lrp", load(net), waves({1, 1, 2, 2}, 0.9))[0];
  EXPECT_THAT(result.plan.at("default_rule"), HasSubstr("LogSoftmax"));
  EXPECT_FALSE(explain_by("lrp", load(conv_net()), photo8())[0].plan.contains("default_rule"));
}

// A bias outweighs what the pixels contribute, and the result says so.
TEST(Lrp, WarnsWhereLittleArrives) {
  OnnxBuilder net;
  net.input("x", {-1, 1, 2, 2}).node("Flatten", {"x"}, {"f"}).initializer("w", at::ones({4, 2}) * 0.01);
  net.initializer("b", at::ones({2}) * 100).node("Gemm", {"f", "w", "b"}, {"y"}).output("y");
  const Model model = load(net);
  const Tensor x = at::ones({1, 1, 2, 2});
  const Explanation result = explain_by("lrp:composite=epsilon", model, x)[0];
  ASSERT_EQ(result.warnings.size(), 2u);  // and the map is constant
  EXPECT_THAT(result.warnings[0], HasSubstr("biases=false"));
  EXPECT_NEAR(std::stod(result.plan.at("absorbed_by_biases")), 1, 1e-3);
  EXPECT_NEAR(sum(explain_by("lrp:biases=false,composite=epsilon", model, x)[0]), 100.04, 1e-2);
}

TEST(AttnLrp, OnLinearNetsIsWhatEachPixelContributes) {
  OnnxBuilder net;
  const Tensor w = waves({12, 3}, 0.7), x = waves({1, 3, 2, 2}, 0.9);
  net.input("x", {-1, 3, 2, 2})
      .node("Flatten", {"x"}, {"f"})
      .initializer("w", w)
      .node("MatMul", {"f", "w"}, {"y"})
      .output("y");
  const Model model = load(net);
  const Tensor expected = (w.select(1, 1) * x.flatten()).view({3, 2, 2}).sum(0);
  EXPECT_TRUE(close(explain_by("attn_lrp", model, x)[0].map, expected, 1e-4));
  EXPECT_TRUE(close(explain_by("lrp:composite=epsilon", model, x)[0].map, expected, 1e-4));
}

// Half of the score goes through the values, half through the probabilities, of which softmax keeps its part.
TEST(AttnLrp, GoesThroughAttentionByItsRules) {
  const Explanation result = explain_by("attn_lrp", load(vit()), photo8())[0];
  EXPECT_FALSE(result.plan.contains("default_rule"));
  EXPECT_THAT(result.plan.at("rules"), HasSubstr("attention 2"));
  EXPECT_THAT(result.plan.at("rules"), HasSubstr("normalised 4"));
  for (const char* option :
       {"gamma=0.2", "epsilon=0.1", "biases=false", "layer=t0,channels=1+3", "layer=patches,channels=0"})
    EXPECT_FALSE(close(explain_by(std::string("attn_lrp:") + option, load(vit()), photo8())[0].map, result.map, 1e-3))
        << option;
}

}  // namespace
}  // namespace vitrail
