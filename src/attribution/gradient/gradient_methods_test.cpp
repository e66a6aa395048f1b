// Gradient methods against closed forms, finite differences and the laws that all of them obey.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/gradient_x_input.h>
#include <vitrail/integrated_gradients.h>
#include <vitrail/method.h>
#include <vitrail/saliency.h>
#include <vitrail/smoothgrad.h>

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t height = 7, width = 9;

Tensor photo() { return wave(3, height, width, 0.37); }
Tensor photos() { return at::stack({photo(), wave(3, height, width, 0.53)}); }

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

IntegratedGradientsOptions options(int64_t steps, int64_t max_steps, double tolerance) {
  return {.steps = steps, .max_steps = max_steps, .tolerance = tolerance, .baseline = {}};
}

/// Largest difference of two maps in units of the first one's range.
double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() / (a.max() - a.min()).item<double>();
}

// Closed forms: a linear score w . x + 5.

TEST(LinearScore, HasTheSizeOfItsWeightsAsSaliency) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto result = saliency(linear_scorer(w, 5), photo().unsqueeze(0))[0];
  EXPECT_TRUE(result.map.allclose(w.abs().amax(0)));
  EXPECT_FALSE(result.is_signed);
  EXPECT_EQ(result.unit, "logit per input unit");
  EXPECT_NEAR(result.score, (w * photo()).sum().item<double>() + 5, 1e-4);
}

TEST(LinearScore, HasItsWeightsAsSmoothGradWithoutError) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto result = smoothgrad(linear_scorer(w, 5), photo().unsqueeze(0), {.samples = 7})[0];
  EXPECT_TRUE(result.map.allclose(w.mean(0), 1e-5, 1e-6));
  EXPECT_LT(result.standard_error.max().item<double>(), 1e-7);
}

TEST(LinearScore, HasItsTermsAsGradientTimesInputAndIntegratedGradients) {
  const Tensor w = wave(3, height, width, 1.1);
  const CallableScorer scorer = linear_scorer(w, 5);
  const Tensor terms = w * photo();
  EXPECT_TRUE(gradient_x_input(scorer, photo().unsqueeze(0))[0].map.allclose(terms.mean(0), 1e-5, 1e-6));
  const auto integrated = integrated_gradients(scorer, photo().unsqueeze(0))[0];
  EXPECT_TRUE(integrated.map.allclose(terms.sum(0), 1e-5, 1e-5));
  EXPECT_EQ(integrated.plan.at("steps"), "16");  // one sum is enough
  const Tensor from_grey = integrated_gradients(scorer, photo().unsqueeze(0), {.baseline = Baseline("2")})[0].map;
  EXPECT_TRUE(from_grey.allclose((w * (photo() - 2)).sum(0), 1e-5, 1e-5));
}

TEST(QuadraticScore, IsIntegratedExactlyByOneNode) {
  const Tensor a = wave(3, height, width, 1.1);
  const CallableScorer scorer([&](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
  const auto result = integrated_gradients(scorer, photo().unsqueeze(0), options(1, 1, 0.01))[0];
  EXPECT_TRUE(result.map.allclose((a * photo() * photo()).sum(0), 1e-5, 1e-5));
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-4);
}

TEST(Saliency, AgreesWithFiniteDifferences) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto results = explain("saliency:reducer=sum", scorer, photo().unsqueeze(0));
  for (const int64_t pixel : {0, 17, 62}) {
    for (int64_t t = 0; t < 2; ++t) {
      double expected = 0;
      for (int64_t c = 0; c < 3; ++c) {
        Tensor step = at::zeros_like(photo());
        step[c].view({-1})[pixel] = 1e-3;
        const auto score = [&](const Tensor& x) {
          return scorer.score(x.to(at::kDouble).unsqueeze(0))[0][t].item<double>();
        };
        expected += std::abs(score(photo() + step) - score(photo() - step)) / 2e-3;
      }
      EXPECT_NEAR(results[static_cast<size_t>(t)].map.view({-1})[pixel].item<double>(), expected,
                  2e-3 * (1 + expected));
    }
  }
}

// Integrated Gradients.

TEST(IntegratedGradients, RefinesUntilTheMapAddsUpToTheRise) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor inputs = photos().to(at::kDouble);
  const auto results = integrated_gradients(scorer, inputs, options(2, 512, 1e-8));
  for (size_t i = 0; i < results.size(); ++i) {
    const auto t = static_cast<int64_t>(i % 2);
    const Tensor x = inputs.narrow(0, static_cast<int64_t>(i / 2), 1);
    const double rise = (scorer.score(x) - scorer.score(at::zeros_like(x)))[0][t].item<double>();
    EXPECT_NEAR(results[i].map.to(at::kDouble).sum().item<double>(), rise, 1e-4);  // the map is float32
    EXPECT_LE(std::abs(*results[i].completeness_gap), 1e-8 * std::abs(rise));
    EXPECT_GT(std::stoi(results[i].plan.at("steps")), 2);
    EXPECT_THAT(results[i].warnings, IsEmpty());
  }
}

TEST(IntegratedGradients, SaysWhenTheGapStaysLarge) {
  const auto result = integrated_gradients(curved_scorer(3, height, width), photos(), options(1, 1, 1e-6))[0];
  EXPECT_THAT(result.warnings, Contains(HasSubstr("completeness gap")));
}

TEST(IntegratedGradients, ABudgetKeepsTheLastFinishedSum) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor x = photo().unsqueeze(0);
  const std::string exact = ",tolerance=0";
  // Two ends, a sum of 4 nodes for two targets (12), then 8 nodes would need 24 more.
  const auto stopped = explain("ig:steps=4,max_steps=64" + exact, scorer, x, with(3, 30));
  const auto finished = explain("ig:steps=4,max_steps=4" + exact, scorer, x, with(3));
  EXPECT_TRUE(stopped[0].partial);
  EXPECT_FALSE(finished[0].partial);
  EXPECT_TRUE(stopped[0].map.equal(finished[0].map));
  EXPECT_LE(stopped[0].forwards + stopped[0].backwards, 30);
  const auto unfinished = explain("ig:steps=16" + exact, scorer, x, with(3, 20))[0];
  EXPECT_TRUE(unfinished.partial);
  EXPECT_EQ(unfinished.plan.at("steps"), "6");
  EXPECT_THAT(unfinished.warnings, Contains(HasSubstr("Stopped after 6 of 16 nodes")));
  EXPECT_TRUE(unfinished.completeness_gap.has_value());
}

// SmoothGrad.

TEST(SmoothGrad, StandardErrorIsTheSpreadOverSeedsAndFallsWithTheRoot) {
  const Tensor a = wave(3, height, width, 1.1);
  const CallableScorer scorer([&](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
  // The gradient is 2 a (x + xi): its mean over channels has standard deviation 2 sigma |a| / 3.
  const auto result = smoothgrad(scorer, photo().unsqueeze(0), {.samples = 2000, .noise = 0.2})[0];
  const double sigma = 0.2 * (photo().max() - photo().min()).item<double>();
  const Tensor expected = a.square().sum(0).sqrt() * (2 * sigma / 3 / std::sqrt(2000.));
  EXPECT_LT((result.standard_error / expected - 1).abs().max().item<double>(), 0.1);
  const Tensor error = (result.map - (a * photo() * 2).mean(0)).abs() / expected;
  EXPECT_LT(error.max().item<double>(), 5);  // five standard errors
  EXPECT_GT(error.max().item<double>(), 1);
}

TEST(SmoothGrad, StoppedEarlyIsTheMapOfTheSamplesDone) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto stopped = explain("smoothgrad:samples=50", scorer, photos(), with(4, 31));
  const auto ten = explain("smoothgrad:samples=10", scorer, photos(), with(4));
  for (size_t i = 0; i < stopped.size(); ++i) {
    EXPECT_TRUE(stopped[i].partial);
    EXPECT_EQ(stopped[i].plan.at("samples"), "10");  // a sample costs a forward and two backwards
    EXPECT_TRUE(stopped[i].map.equal(ten[i].map));
    EXPECT_TRUE(stopped[i].standard_error.equal(ten[i].standard_error));
  }
}

TEST(SmoothGrad, CancelledBeforeItBeginsSaysSo) {
  std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto result = explain("smoothgrad", curved_scorer(3, height, width), photos(), execution)[0];
  EXPECT_TRUE(result.partial);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("stopped early")));
  EXPECT_FALSE(result.standard_error.defined());
}

// Laws.

class GradientLaw : public testing::TestWithParam<const char*> {
 protected:
  const PooledNet net_{{0, 2}};
};
INSTANTIATE_TEST_SUITE_P(Methods, GradientLaw,
                         testing::Values("saliency", "gradient_x_input", "ig:steps=11,max_steps=44",
                                         "smoothgrad:samples=21", "squaregrad:samples=21", "vargrad:samples=21",
                                         "expected_gradients:samples=21", "guided_backprop", "deconvnet",
                                         "guided_gradcam", "gradcam"));

TEST_P(GradientLaw, SameSeedSameBytesInAnyThreadCount) {
  const int threads = at::get_num_threads();
  const auto first = explain(GetParam(), net_, photos()), again = explain(GetParam(), net_, photos());
  at::set_num_threads(threads == 1 ? 2 : 1);
  const auto threaded = explain(GetParam(), net_, photos());
  at::set_num_threads(threads);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(first[i].map.equal(again[i].map));
    EXPECT_LT(difference(first[i].map, threaded[i].map), 1e-5);
  }
}

TEST_P(GradientLaw, BatchSizeDoesNotMatter) {
  const auto one = explain(GetParam(), net_, photos(), with(1));
  for (const int64_t batch : {7, 64}) {
    const auto many = explain(GetParam(), net_, photos(), with(batch));
    for (size_t i = 0; i < one.size(); ++i) EXPECT_LT(difference(one[i].map, many[i].map), 1e-5);
  }
}

TEST_P(GradientLaw, TargetsTogetherAreTargetsAlone) {
  const auto together = explain(GetParam(), net_, photos());
  ASSERT_EQ(together.size(), 4u);
  for (const int64_t index : {0, 2}) {
    const auto alone = explain(GetParam(), PooledNet({index}), photos());
    for (size_t n = 0; n < 2; ++n) {
      const Explanation& shared = together[2 * n + (index == 0 ? 0 : 1)];
      EXPECT_EQ(shared.target.index, index);
      EXPECT_LT(difference(shared.map, alone[n].map), 1e-6);
      EXPECT_NEAR(shared.score, alone[n].score, 1e-6);
    }
  }
}

TEST_P(GradientLaw, CostIsWhatWasPromised) {
  const auto method = parse_method(GetParam());
  const auto result = method->explain(net_, photos(), {})[0];
  const auto cost = method->cost(height, width, 2);
  EXPECT_LE(result.forwards, cost.forwards);
  EXPECT_LE(result.backwards, cost.backwards);
  if (method->info().name != "integrated_gradients") {
    EXPECT_EQ(result.forwards, cost.forwards);
    EXPECT_EQ(result.backwards, cost.backwards);
  }
  EXPECT_EQ(result.method, method->canonical());
}

TEST_P(GradientLaw, AConstantScoreIsAZeroMapThatSaysSo) {
  class Constant : public PooledNet {
   public:
    Constant() : PooledNet({0}) {}
    Tensor score(const Tensor& x) const override { return at::full({x.size(0), 1}, 3); }
    Tensor score_with_rule(const Tensor& x, BackwardRule) const override { return score(x); }
    Tensor score_from(const Tensor& x, const std::string&, const Tensor&) const override { return score(x); }
  } net;
  const auto result = explain(GetParam(), net, photos())[0];
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("zero everywhere")));
}

TEST_P(GradientLaw, ABrokenPixelIsReported) {
  Tensor broken = photos();
  broken[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  const auto results = explain(GetParam(), net_, broken);
  EXPECT_THAT(results[0].warnings, Contains(HasSubstr("channel 1, row 2, column 3")));
  for (const std::string& warning : results[2].warnings) EXPECT_THAT(warning, testing::Not(HasSubstr("non-finite")));
}

TEST_P(GradientLaw, FlatOperatorsAreReported) {
  class Stepped : public PooledNet {
   public:
    Stepped() : PooledNet({0}) {}
    std::vector<std::string> gradient_warnings() const override { return {"Sign node 'sign_3'"}; }
  } net;
  EXPECT_THAT(explain(GetParam(), net, photos())[0].warnings, Contains(HasSubstr("Sign node 'sign_3'")));
}

TEST_P(GradientLaw, RefusesWhatIsNotABatchOfImages) {
  EXPECT_THROW(explain(GetParam(), net_, photo()), UsageError);
  EXPECT_THROW(explain(GetParam(), net_, photos().to(at::kLong)), UsageError);
  EXPECT_THROW(explain(GetParam(), net_, photos(), with(0)), UsageError);
}

TEST_P(GradientLaw, BlackBoxesAreRefused) {
  class BlackBox : public Scorer {
    Tensor score(const Tensor& x) const override { return x.flatten(1).sum(1, true); }
    std::vector<Target> targets() const override { return {Target{}}; }
  } scorer;
  EXPECT_THROW(explain(GetParam(), scorer, photos()), UsageError);
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
      {"layer", "conv"},
      {"relu", "false"},
      {"distribution", "uniform"},
  };
  const auto method = parse_method(GetParam());
  const std::string name = method->info().name;
  const auto map_with = [&](const std::string& key, const std::string& value) {
    // Without a tolerance the doubling goes on to max_steps, from where it began.
    std::map<std::string, std::string> settings;
    if (name == "integrated_gradients") settings = {{"steps", "2"}, {"max_steps", "44"}, {"tolerance", "0"}};
    if (!key.empty()) settings[key] = value;
    std::string text = name, separator = ":";
    for (const auto& [k, v] : settings) text += std::exchange(separator, ",") + k + "=" + v;
    return explain(text, net_, photos())[0].map;
  };
  const Tensor usual = map_with("", "");
  for (const OptionInfo& option : method->info().options)
    EXPECT_FALSE(usual.equal(map_with(option.name, other.at(option.name)))) << option.name;
}

TEST(GradientMethods, APixelThatIsNotUsedGetsZero) {
  Tensor w = wave(3, height, width, 1.1);
  w.select(1, 2).select(1, 4).zero_();
  const CallableScorer scorer([&](const Tensor& x) { return (x * w).flatten(1).sum(1, true).tanh(); });
  for (const char* method : {"saliency", "gradient_x_input", "ig", "smoothgrad:samples=5"}) {
    const Tensor map = explain(method, scorer, photos())[0].map;
    EXPECT_EQ(map[2][4].item<double>(), 0) << method;
    EXPECT_NE(map[3][4].item<double>(), 0) << method;
  }
}

}  // namespace
}  // namespace vitrail
