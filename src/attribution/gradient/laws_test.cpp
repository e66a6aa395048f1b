// The laws that every gradient method obeys, on the input and on layers. A method that a law does not bind has its
// reason in the table `exempt`, which the suite prints.

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <utility>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr int64_t height = 7, width = 9;

Tensor photos() { return at::stack({wave(3, height, width, 0.37), wave(3, height, width, 0.53)}); }

std::vector<Explanation> explain(const std::string& method, const Scorer& scorer, const Tensor& inputs,
                                 const Execution& execution = {}) {
  return parse_method(method)->explain(scorer, inputs, execution);
}

Execution with(int64_t batch, std::optional<int64_t> steps = {}) {
  Execution execution;
  execution.batch = batch;
  execution.budget.forwards = steps;
  return execution;
}

/// Largest difference of two maps in units of the first one's range.
double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() / (a.max() - a.min()).item<double>();
}

/// Why a method is not bound by a law, by law and beginning of the method string.
const std::map<std::string, std::map<std::string, std::string>> exempt = {
    {"linearity",
     {{"saliency", "takes the size of the gradient"},
      {"squaregrad", "squares the gradient"},
      {"vargrad", "squares the gradient"},
      {"guided_ig", "the path follows the target's gradient"},
      {"xrai", "the order of regions follows the target"},
      {"guided_backprop", "its rule keeps positive parts"},
      {"deconvnet", "its rule keeps positive parts"},
      {"guided_gradcam", "its rule keeps positive parts"},
      {"gradcam", "keeps what speaks for the target"},
      {"fullgrad:terms=paper", "takes sizes"},
      {"ig:forgrad", "takes the size of the map"}}},
    {"dummy",
     {{"xrai", "a pixel gets its region's mean"},
      {"fullgrad", "biases belong to cells, not to pixels"},
      {"gradcam", "cells of a layer see many pixels"},
      {"conductance", "cells of a layer see many pixels"},
      {"internal_influence", "cells of a layer see many pixels"},
      {"layer_ig", "cells of a layer see many pixels"},
      {"saliency:layer", "cells of a layer see many pixels"},
      {"ig:layer", "cells of a layer see many pixels"},
      {"smoothgrad:layer", "cells of a layer see many pixels"},
      {"ig:forgrad", "the filter spreads"}}},
    {"budget",
     {{"saliency", "one forward is all it takes"},
      {"gradient_x_input", "one forward is all it takes"},
      {"guided_backprop", "one forward is all it takes"},
      {"deconvnet", "one forward is all it takes"},
      {"guided_gradcam", "two forwards are all it takes"},
      {"gradcam", "one forward is all it takes"},
      {"fullgrad", "the terms are of one forward"}}},
};

class GradientLaw : public testing::TestWithParam<const char*> {
 protected:
  std::string method() const { return GetParam(); }
  bool on_layer() const { return method().find("layer=") != std::string::npos; }
  /// The longest entry that the method string begins with.
  std::string reason(const std::string& law) const {
    std::string key, found;
    for (const auto& [name, why] : exempt.at(law)) {
      const std::string rest = method().substr(std::min(method().size(), name.size()));
      const bool same = method().starts_with(name) && (rest.empty() || rest[0] == ':' || name.find(':') != name.npos);
      if (same && name.size() >= key.size()) key = name, found = why;
    }
    return found;
  }
  const PooledNet net_{{0, 2}};
};
INSTANTIATE_TEST_SUITE_P(Methods, GradientLaw,
                         testing::Values("saliency", "gradient_x_input", "ig:steps=5,max_steps=20",
                                         "ig:forgrad=2,steps=5,max_steps=20", "guided_ig:steps=12", "blur_ig:steps=9",
                                         "xrai:divisions=2,finest=3,max_steps=20,steps=5", "smoothgrad:samples=21",
                                         "squaregrad:samples=21", "vargrad:samples=21", "expected_gradients:samples=21",
                                         "fullgrad", "fullgrad:terms=paper", "guided_backprop", "deconvnet",
                                         "guided_gradcam", "gradcam", "conductance:layer=conv,steps=9",
                                         "internal_influence:layer=conv,steps=9", "layer_ig:layer=conv,steps=9",
                                         "saliency:layer=conv", "ig:layer=conv,max_steps=20,steps=5",
                                         "smoothgrad:layer=conv,samples=9"));

TEST_P(GradientLaw, FillsTheResult) {
  const auto results = explain(method(), net_, photos());
  ASSERT_EQ(results.size(), 4u);
  for (const Explanation& result : results) {
    EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{height, width}));
    EXPECT_EQ(result.map.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_GT(result.map.max().item<double>(), result.map.min().item<double>());
    if (!result.is_signed) {
      EXPECT_GE(result.map.min().item<double>(), 0);
    }
    EXPECT_FALSE(result.partial);
    EXPECT_EQ(parse_method(result.method)->canonical(), result.method);
    EXPECT_EQ(result.method, parse_method(method())->canonical());
    if (on_layer()) {
      EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{3, 4}));
      EXPECT_FALSE(result.plan.at("layer").empty());
    }
  }
  EXPECT_EQ(results[1].target.index, 2);
  EXPECT_NEAR(results[1].score, net_.score(photos())[0][1].item<double>(), 1e-5);
}

TEST_P(GradientLaw, SameSeedSameBytesInAnyThreadCount) {
  const int threads = at::get_num_threads();
  const auto first = explain(method(), net_, photos()), again = explain(method(), net_, photos());
  at::set_num_threads(threads == 1 ? 2 : 1);
  const auto threaded = explain(method(), net_, photos());
  at::set_num_threads(threads);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(first[i].map.equal(again[i].map));
    EXPECT_LT(difference(first[i].map, threaded[i].map), 1e-5);
  }
}

TEST_P(GradientLaw, BatchSizeDoesNotMatter) {
  const auto one = explain(method(), net_, photos(), with(1));
  for (const int64_t batch : {7, 64}) {
    const auto many = explain(method(), net_, photos(), with(batch));
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_LT(difference(one[i].map, many[i].map), 1e-5);
      EXPECT_EQ(one[i].forwards, many[i].forwards);
    }
  }
}

TEST_P(GradientLaw, TargetsTogetherAreTargetsAlone) {
  const auto together = explain(method(), net_, photos());
  for (const int64_t index : {0, 2}) {
    const auto alone = explain(method(), PooledNet({index}), photos());
    for (size_t n = 0; n < 2; ++n) {
      const Explanation& shared = together[2 * n + (index == 0 ? 0 : 1)];
      EXPECT_EQ(shared.target.index, index);
      EXPECT_LT(difference(shared.map, alone[n].map), 1e-6);
      EXPECT_NEAR(shared.score, alone[n].score, 1e-6);
    }
  }
}

TEST_P(GradientLaw, InputsTogetherAreInputsAlone) {
  const auto together = explain(method(), net_, photos());
  for (int64_t n = 0; n < 2; ++n) {
    const auto alone = explain(method(), net_, photos().narrow(0, n, 1));
    for (size_t t = 0; t < 2; ++t) {
      EXPECT_TRUE(at::equal(together[2 * static_cast<size_t>(n) + t].map, alone[t].map));
    }
  }
}

TEST_P(GradientLaw, LeavesTheInputAlone) {
  const Tensor inputs = photos(), copy = inputs.clone();
  explain(method(), net_, inputs);
  EXPECT_TRUE(at::equal(inputs, copy));
}

TEST_P(GradientLaw, CostIsWhatWasPromised) {
  const auto parsed = parse_method(method());
  const auto result = parsed->explain(net_, photos(), {})[0];
  const auto cost = parsed->cost(height, width, 2);
  EXPECT_LE(result.forwards, cost.forwards);
  EXPECT_LE(result.backwards, cost.backwards);
  if (result.name != "integrated_gradients" && result.name != "xrai") {  // these adapt
    EXPECT_EQ(result.forwards, cost.forwards);
    EXPECT_EQ(result.backwards, cost.backwards);
  }
}

/// a f + b g of the net's two scores.
class Combined : public PooledNet {
 public:
  Combined() : PooledNet({0, 2}) {}
  static Tensor weights() { return at::tensor({2.f, -0.5f}); }
  std::vector<Target> targets() const override { return {target(0)}; }
  Tensor score(const Tensor& x) const override { return combine(PooledNet::score(x)); }
  Tensor score_with_rule(const Tensor& x, BackwardRule rule) const override {
    return combine(PooledNet::score_with_rule(x, rule));
  }
  Tensor score_from(const Tensor& x, const std::string& layer, const Tensor& value) const override {
    return combine(PooledNet::score_from(x, layer, value));
  }
  std::vector<BiasTerm> bias_terms(const Tensor& x) const override {
    auto terms = PooledNet::bias_terms(x);
    for (BiasTerm& term : terms) term.planes = (term.planes * weights().view({2, 1, 1, 1})).sum(0, true);
    return terms;
  }

 private:
  static Tensor combine(const Tensor& scores) { return at::matmul(scores, weights()).unsqueeze(1); }
};

TEST_P(GradientLaw, MapsAreLinearInTheScore) {
  if (const std::string why = reason("linearity"); !why.empty()) GTEST_SKIP() << method() << ": " << why;
  // The integrals must take the same nodes for every score.
  const std::string same =
      method().starts_with("ig") ? std::string("ig:max_steps=9,steps=9") + (on_layer() ? ",layer=conv" : "") : method();
  const auto parts = explain(same, net_, photos()), whole = explain(same, Combined(), photos());
  for (size_t n = 0; n < 2; ++n)
    EXPECT_LT(difference(whole[n].map, parts[2 * n].map * 2 - parts[2 * n + 1].map * 0.5), 1e-5);
}

TEST_P(GradientLaw, APixelThatIsNotUsedGetsZero) {
  if (const std::string why = reason("dummy"); !why.empty()) GTEST_SKIP() << method() << ": " << why;
  class Masked : public PooledNet {
   public:
    Masked() : PooledNet({0, 2}) {}
    Tensor score(const Tensor& x) const override { return PooledNet::score(seen(x)); }
    Tensor score_with_rule(const Tensor& x, BackwardRule rule) const override {
      return PooledNet::score_with_rule(seen(x), rule);
    }

   private:
    static Tensor seen(const Tensor& x) {
      Tensor mask = at::ones({height, width});
      mask[2][4] = 0;
      return x * mask;
    }
  } net;
  const Tensor map = explain(method(), net, photos())[0].map;
  EXPECT_EQ(map[2][4].item<double>(), 0);
  EXPECT_GT(map.abs().max().item<double>(), 0);
}

TEST_P(GradientLaw, AConstantScoreIsAZeroMapThatSaysSo) {
  class Constant : public PooledNet {
   public:
    Constant() : PooledNet({0}) {}
    Tensor score(const Tensor& x) const override { return at::full({x.size(0), 1}, 3); }
    Tensor score_with_rule(const Tensor& x, BackwardRule) const override { return score(x); }
    Tensor score_from(const Tensor& x, const std::string&, const Tensor& y) const override { return score(y); }
    std::vector<BiasTerm> bias_terms(const Tensor&) const override {
      return {{"x", "input", at::zeros({1, 3, height, width}), true},
              {"c", "Constant", at::full({1, 1, 1, 1}, 3), false}};
    }
  } net;
  const auto result = explain(method(), net, photos())[0];
  if (method() == "fullgrad") {  // the constant is the net's bias: spread evenly it is the score
    EXPECT_THAT(result.warnings, Contains(HasSubstr("constant")));
    EXPECT_NEAR(result.map.sum().item<double>(), 3, 1e-5);
    return;
  }
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("zero everywhere")));
}

TEST_P(GradientLaw, ABrokenPixelIsReported) {
  Tensor broken = photos();
  broken[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  const auto results = explain(method(), net_, broken);
  EXPECT_THAT(results[0].warnings,
              Contains(HasSubstr(on_layer() ? "non-finite values" : "channel 1, row 2, column 3")));
  for (const std::string& warning : results[2].warnings) EXPECT_THAT(warning, testing::Not(HasSubstr("non-finite")));
}

TEST_P(GradientLaw, FlatOperatorsAreReported) {
  class Stepped : public PooledNet {
   public:
    Stepped() : PooledNet({0}) {}
    std::vector<std::string> gradient_warnings() const override { return {"Sign node 'sign_3'"}; }
  } net;
  EXPECT_THAT(explain(method(), net, photos())[0].warnings, Contains(HasSubstr("Sign node 'sign_3'")));
}

TEST_P(GradientLaw, RefusesWhatIsNotABatchOfImages) {
  EXPECT_THROW(explain(method(), net_, photos()[0]), UsageError);
  EXPECT_THROW(explain(method(), net_, photos().to(at::kLong)), UsageError);
  EXPECT_THROW(explain(method(), net_, photos(), with(0)), UsageError);
}

TEST_P(GradientLaw, BlackBoxesAreRefused) {
  class BlackBox : public Scorer {
    Tensor score(const Tensor& x) const override { return x.flatten(1).sum(1, true); }
    std::vector<Target> targets() const override { return {Target{}}; }
  } scorer;
  EXPECT_THROW(explain(method(), scorer, photos()), UsageError);
}

TEST_P(GradientLaw, ABudgetGivesAValidPartialResult) {
  if (const std::string why = reason("budget"); !why.empty()) GTEST_SKIP() << method() << ": " << why;
  const auto cost = parse_method(method())->cost(height, width, 2);
  // Of one sum of an integral that adapts, half.
  const int64_t whole = method().find("max_steps") != std::string::npos ? 2 + 5 * 3 : cost.forwards + cost.backwards;
  const auto results = explain(method(), net_, photos(), with(3, whole / 2));
  for (const Explanation& result : results) {
    EXPECT_TRUE(result.partial);
    EXPECT_LE(result.forwards + result.backwards, whole / 2);
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    if (method().starts_with("internal_influence")) continue;  // early on the path all units are on alike
    EXPECT_GT(result.map.max().item<double>(), result.map.min().item<double>());
  }
}

TEST_P(GradientLaw, CancelledBeforeItBeginsSaysSo) {
  if (const std::string why = reason("budget"); !why.empty()) GTEST_SKIP() << method() << ": " << why;
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto result = explain(method(), net_, photos(), execution)[0];
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.backwards, 0);
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("stopped early")));
}

TEST_P(GradientLaw, TellsItsProgress) {
  struct Recorder : Listener {
    int64_t begun = 0, last = 0, total = 0, ended = 0;
    bool rising = true;
    void on_begin(const std::string&, int64_t steps) override { ++begun, last = 0, total = steps; }
    void on_progress(int64_t done, int64_t) override { rising = rising && done >= last, last = done; }
    void on_end() override { ++ended; }
  } recorder;
  Execution execution;
  execution.listener = &recorder;
  explain(method(), net_, photos().narrow(0, 0, 1), execution);
  EXPECT_EQ(recorder.begun, 1);
  EXPECT_EQ(recorder.ended, 1);
  EXPECT_TRUE(recorder.rising);
  EXPECT_GT(recorder.last, 0);
  EXPECT_LE(recorder.last, recorder.total);
}

TEST_P(GradientLaw, EveryOptionMatters) {
  const std::map<std::string, std::string> other = {
      {"reducer", "min"},
      {"steps", "3"},
      {"max_steps", "11"},
      {"tolerance", "0.9"},
      {"baseline", "2"},
      {"samples", "5"},
      {"noise", "1"},
      {"seed", "2"},
      {"layer", on_layer() ? "relu" : "conv"},
      {"relu", "false"},
      {"distribution", "uniform"},
      {"fraction", "0.7"},
      {"max_distance", "0.4"},
      {"sigma", "1.5"},
      {"finest", "5"},
      {"divisions", "1"},
      {"terms", "paper"},
      {"forgrad", "0.9"},
      {"augment", "true"},
      {"principal", "true"},
  };
  const auto parsed = parse_method(method());
  const std::string name = parsed->info().name;
  const auto map_with = [&](const std::string& key, const std::string& value) {
    std::map<std::string, std::string> settings;
    // Without a tolerance the doubling goes on to max_steps, from where it began.
    if (name == "integrated_gradients" || name == "xrai")
      settings = {{"steps", "2"}, {"max_steps", "44"}, {"tolerance", "0"}};
    if (on_layer()) settings["layer"] = "conv";
    if (method().find("terms=") != std::string::npos) settings["terms"] = key == "terms" ? "signed" : "paper";
    if (!key.empty() && key != "terms") settings[key] = value;
    if (key == "terms" && method().find("terms=") == std::string::npos) settings[key] = value;
    std::string text = name, separator = ":";
    for (const auto& [k, v] : settings) text += std::exchange(separator, ",") + k + "=" + v;
    return explain(text, net_, photos())[0].map;
  };
  const Tensor usual = map_with("", "");
  for (const OptionInfo& option : parsed->info().options) {
    // This net has no rules behind its layers; those of graphs are in layer_methods_test.
    if (option.name == "layer" && (name == "guided_backprop" || name == "deconvnet")) continue;
    EXPECT_FALSE(usual.equal(map_with(option.name, other.at(option.name)))) << option.name;
  }
}

}  // namespace
}  // namespace vitrail
