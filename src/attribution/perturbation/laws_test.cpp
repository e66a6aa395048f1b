// The laws that every perturbation method obeys, whatever its mathematics.

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isin.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/regions.h>

#include <atomic>
#include <string>
#include <vector>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 13, width = 18;

std::vector<Explanation> explain(const std::string& method, const Scorer& scorer, const Tensor& inputs,
                                 const Execution& execution = {}) {
  return parse_method(method)->explain(scorer, inputs, execution);
}

Tensor photo() { return wave(3, height, width, 0.37).unsqueeze(0); }

Execution batch_of(int64_t batch) {
  Execution execution;
  execution.batch = batch;
  return execution;
}

/// Largest difference of two maps in units of the first one's range.
double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() / (a.max() - a.min()).item<double>();
}

class Perturbation : public testing::TestWithParam<const char*> {
 protected:
  std::string method() const { return GetParam(); }
  /// Draws nothing, and so has no error: every window, region, coalition or half is scored.
  bool samples() const {
    const std::string name = method().substr(0, method().find(':'));
    return name != "occlusion" && name != "feature_ablation" && name != "exact_shapley" && name != "owen";
  }
  /// What a coalition of few regions scored is kept for when it comes again, so that the cost is an upper bound.
  bool keeps_scores() const {
    return method().starts_with("lime") || method().starts_with("kernel_shap") || method().starts_with("shapley") ||
           method().starts_with("hsic");
  }
  /// How much of the largest value a value that is zero in theory may have: a linear model of all regions is solved to
  /// the smallest ridge, halves are handed down by additions, everything else is a difference of equal numbers.
  double rounding() const {
    if (method().starts_with("lime") || method().starts_with("kernel_shap")) return 1e-3;
    return method().starts_with("owen") || method().starts_with("exact_shapley") ? 1e-5 : 0;
  }
  bool has_grid() const { return method().find("regions=") == std::string::npos; }
  /// Forwards and backwards.
  int64_t steps() const {
    const Method::Cost cost = parse_method(method())->cost(height, width, 2);
    return cost.forwards + cost.backwards;
  }
  const CallableScorer scorer_ = curved_scorer(3, height, width);
};
INSTANTIATE_TEST_SUITE_P(
    Methods, Perturbation,
    testing::Values("occlusion:patch=4,stride=3", "rise:masks=90,grid=4,readout=mean", "rise:masks=120,grid=4",
                    "rise:masks=90,grid=4,readout=mean,antithetic=true", "feature_ablation:grid=6",
                    "feature_ablation:regions=slic,grid=3", "lime:samples=200,grid=3,ridge=0",
                    "lime:samples=200,grid=3,ridge=0,regions=slic,antithetic=true", "kernel_shap:coalitions=160,grid=3",
                    "kernel_shap:coalitions=160,grid=3,paired=false,regions=slic", "shapley:permutations=12,grid=3",
                    "exact_shapley:grid=3", "owen:grid=6,evaluations=200", "owen:grid=3,regions=slic",
                    "hsic:grid=3,designs=32,replicates=6",
                    "hsic:grid=3,designs=32,replicates=6,readout=regression,sampler=owen",
                    "sobol:grid=3,designs=6,replicates=3", "sobol:grid=3,designs=8,replicates=2,sampler=owen",
                    "sobol:grid=3,designs=6,replicates=3,estimator=first_order,regions=slic",
                    "morris:grid=3,designs=4,replicates=3", "dgsm:grid=3,samples=8,replicates=3",
                    "dgsm:grid=3,samples=8,replicates=2,signed_mean=true,regions=slic",
                    "dgsm_morris:grid=3,designs=3,samples=4,replicates=3"));

TEST_P(Perturbation, FillsTheResult) {
  const auto results = explain(method(), scorer_, photo());
  ASSERT_EQ(results.size(), 2u);
  for (const Explanation& result : results) {
    EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{height, width}));
    EXPECT_EQ(result.map.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_EQ(result.standard_error.defined(), samples());
    if (samples()) {
      EXPECT_EQ(result.standard_error.sizes(), result.map.sizes());
      EXPECT_GE(result.standard_error.min().item<double>(), 0);
      EXPECT_GT(result.standard_error.max().item<double>(), 0);
    }
    EXPECT_EQ(result.baseline, "zero");
    EXPECT_FALSE(result.partial);
    EXPECT_TRUE(result.warnings.empty());
    EXPECT_EQ(parse_method(result.method)->canonical(), result.method);
  }
  EXPECT_EQ(results[1].target.index, 1);
  EXPECT_NEAR(results[1].score, scorer_.score(photo())[0][1].item<double>(), 1e-6);
}

TEST_P(Perturbation, DoesNotDependOnTheBatch) {
  const auto one = explain(method(), scorer_, photo(), batch_of(1));
  for (const int64_t batch : {7, 64, 1000}) {
    const auto other = explain(method(), scorer_, photo(), batch_of(batch));
    for (size_t t = 0; t < one.size(); ++t) {
      EXPECT_LT(difference(one[t].map, other[t].map), 1e-5) << "batch " << batch;
      EXPECT_EQ(one[t].forwards, other[t].forwards);
    }
  }
}

TEST_P(Perturbation, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = explain(method(), scorer_, photo());
  at::set_num_threads(2);
  const auto two = explain(method(), scorer_, photo());
  at::set_num_threads(threads);
  for (size_t t = 0; t < one.size(); ++t) EXPECT_LT(difference(one[t].map, two[t].map), 1e-5);
}

TEST_P(Perturbation, SameSeedSameBytes) {
  const auto first = explain(method(), scorer_, photo()), second = explain(method(), scorer_, photo());
  for (size_t t = 0; t < first.size(); ++t) {
    EXPECT_TRUE(at::equal(first[t].map, second[t].map));
    if (samples()) {
      EXPECT_TRUE(at::equal(first[t].standard_error, second[t].standard_error));
    }
  }
}

TEST_P(Perturbation, AnotherSeedDiffers) {
  if (!samples()) GTEST_SKIP() << "draws nothing";
  EXPECT_FALSE(at::equal(explain(method() + ",seed=1", scorer_, photo())[0].map,
                         explain(method() + ",seed=2", scorer_, photo())[0].map));
}

TEST_P(Perturbation, TargetsTogetherAreTargetsAlone) {
  const auto together = explain(method(), scorer_, photo());
  for (int64_t t = 0; t < 2; ++t) {
    const CallableScorer alone([&](const Tensor& x) { return scorer_.score(x).narrow(1, t, 1); });
    const auto result = explain(method(), alone, photo());
    EXPECT_LT(difference(together[static_cast<size_t>(t)].map, result[0].map), 1e-6);
    EXPECT_EQ(together[static_cast<size_t>(t)].forwards, result[0].forwards);
  }
}

TEST_P(Perturbation, InputsTogetherAreInputsAlone) {
  const Tensor other = wave(3, height, width, 0.91).unsqueeze(0);
  const auto together = explain(method(), scorer_, at::cat({photo(), other}));
  ASSERT_EQ(together.size(), 4u);
  EXPECT_TRUE(at::equal(together[1].map, explain(method(), scorer_, photo())[1].map));
  EXPECT_TRUE(at::equal(together[2].map, explain(method(), scorer_, other)[0].map));
}

TEST_P(Perturbation, LeavesTheInputAlone) {
  const Tensor input = photo(), copy = input.clone();
  explain(method(), scorer_, input);
  EXPECT_TRUE(at::equal(input, copy));
}

TEST_P(Perturbation, CostsWhatItSays) {
  if (!has_grid()) GTEST_SKIP() << "how many superpixels an image has is known when they are made";
  int64_t sent = 0;
  const CallableScorer counting(
      [&](const Tensor& x) {
        sent += x.size(0);
        return scorer_.score(x);
      },
      scorer_.targets());
  const auto results = explain(method(), counting, photo());
  const int64_t cost = parse_method(method())->cost(height, width, 2).forwards;
  if (keeps_scores()) {
    EXPECT_LE(results[0].forwards, cost);
    EXPECT_GT(results[0].forwards, cost / 3);
  } else {
    EXPECT_EQ(results[0].forwards, cost);
  }
  EXPECT_LE(sent - results[0].forwards, 1);  // the score of the input itself, where the method does not need it
}

TEST_P(Perturbation, AConstantModelIsDiagnosed) {
  const auto results = explain(method(), constant_scorer(3), photo());
  EXPECT_EQ(results[0].map.min().item<double>(), results[0].map.max().item<double>());
  EXPECT_FALSE(results[0].warnings.empty());
}

// Pixels that the score does not read: zero, or for RISE nothing but the mean score.
TEST_P(Perturbation, UnusedPixelsHaveNoImportance) {
  const Tensor weights = wave(3, height, width, 0.7).clone();
  weights.narrow(2, 6, 12).zero_();  // the left 6 columns of 18 are read: one column of a 3 x 3 grid
  const auto result = explain(method(), linear_scorer(weights), photo())[0];
  if (method().starts_with("owen:grid=6")) {
    EXPECT_LT(result.cells.narrow(1, 2, 4).abs().max().item<double>(), 1e-5);
  } else if (method().starts_with("feature_ablation:grid=6")) {
    EXPECT_EQ(result.cells.narrow(1, 2, 4).abs().max().item<double>(), 0);
  } else if (method().starts_with("hsic")) {
    // Six of nine bits do not matter; of N samples an independent bit has a value of the order of 1 / N.
    EXPECT_LT(result.cells.flatten().median().item<double>(), 0.25 * result.cells.max().item<double>());
  } else if (method().starts_with("rise")) {
    const double mean = std::stod(result.plan.at("mean_score"));
    const Tensor z = (result.map - mean) / result.standard_error;
    EXPECT_LT(z.narrow(1, 13, 5).abs().max().item<double>(), 5);
  } else if (method().starts_with("occlusion")) {
    EXPECT_EQ(result.map.narrow(1, 9, 9).abs().max().item<double>(), 0);  // no window of 4 reaches from 5 to 9
  } else if (!has_grid()) {
    const LabelMap regions = Regions("slic").divide(photo()[0], 3);
    const Tensor read = at::isin(regions.labels, regions.labels.narrow(1, 0, 6));
    EXPECT_FALSE(read.all().item<bool>());
    EXPECT_LE(result.map.masked_fill(read, 0).abs().max().item<double>(),
              rounding() * result.map.abs().max().item<double>());
    EXPECT_GT(result.map.abs().max().item<double>(), 0);
  } else {
    EXPECT_LE(result.cells.narrow(1, 1, 2).abs().max().item<double>(),
              rounding() * result.cells.abs().max().item<double>());
  }
}

TEST_P(Perturbation, EveryBaselineMatters) {
  const auto zero = explain(method(), scorer_, photo())[0];
  for (const char* baseline : {"mean", "200", "blur:2", "noise:1", "uniform:1", "inpaint", "linear"}) {
    const auto other = explain(method() + ",baseline=" + baseline, scorer_, photo())[0];
    EXPECT_FALSE(at::equal(zero.map, other.map)) << baseline;
    EXPECT_EQ(other.baseline, baseline);
  }
}

TEST_P(Perturbation, ABudgetGivesAValidPartialResult) {
  Execution execution;
  const int64_t whole = explain(method(), scorer_, photo())[0].forwards;
  execution.budget.forwards = (keeps_scores() ? whole : steps()) * 2 / 3;
  const auto results = explain(method(), scorer_, photo(), execution);
  for (const Explanation& result : results) {
    EXPECT_TRUE(result.partial);
    const int64_t spent = result.forwards + result.backwards;
    EXPECT_LE(spent, *execution.budget.forwards);
    if (has_grid()) {
      EXPECT_GT(spent, *execution.budget.forwards - 3 * execution.batch);
    }
    EXPECT_FALSE(result.warnings.empty());
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_GT(result.map.max().item<double>(), result.map.min().item<double>());
  }
}

TEST_P(Perturbation, ABudgetOfTheWholeCostIsNoStop) {
  Execution execution;
  execution.budget.forwards = has_grid() ? steps() : 2 * steps();
  const auto results = explain(method(), scorer_, photo(), execution);
  EXPECT_FALSE(results[0].partial);
  EXPECT_TRUE(at::equal(results[0].map, explain(method(), scorer_, photo())[0].map));
}

TEST_P(Perturbation, CancelledBeforeTheFirstForwardIsZeroAndSaysSo) {
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto results = explain(method(), scorer_, photo(), execution);
  EXPECT_TRUE(results[0].partial);
  EXPECT_EQ(results[0].forwards, 0);
  EXPECT_EQ(results[0].map.abs().max().item<double>(), 0);
  EXPECT_FALSE(results[0].warnings.empty());
}

TEST_P(Perturbation, TellsItsProgress) {
  struct Recorder : Listener {
    int64_t begun = 0, last = 0, total = 0, ended = 0;
    bool rising = true;
    void on_begin(const std::string&, int64_t steps) override { ++begun, total = steps; }
    void on_progress(int64_t done, int64_t) override { rising = rising && done > last, last = done; }
    void on_end() override { ++ended; }
  } recorder;
  Execution execution;
  execution.listener = &recorder;
  explain(method(), scorer_, photo(), execution);
  EXPECT_EQ(recorder.begun, 1);
  EXPECT_EQ(recorder.ended, 1);
  if (has_grid()) {
    EXPECT_TRUE(recorder.rising);
    EXPECT_LE(recorder.last, recorder.total);
    if (!keeps_scores()) {
      EXPECT_EQ(recorder.last, recorder.total);
    }
  }
}

}  // namespace
}  // namespace vitrail
