// What all methods share: scoring, counting, stopping, diagnosing.

#include "attribution/run.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/baseline.h>
#include <vitrail/error.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "attribution/maps.h"
#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class Events : public Listener {
 public:
  void on_begin(const std::string& what, int64_t total) override { begun = what + " " + std::to_string(total); }
  void on_progress(int64_t done, int64_t) override { steps.push_back(done); }
  void on_warning(const std::string& message) override { warnings.push_back(message); }
  void on_end() override { ++ends; }
  std::string begun;
  std::vector<int64_t> steps;
  std::vector<std::string> warnings;
  int ends = 0;
};

Explanation named(const std::string& name) {
  Explanation common;
  common.name = name;
  common.unit = "logit per input unit";
  return common;
}

std::vector<Explanation> finish_with(const Tensor& map, const Tensor& input = wave(1, 2, 2, 0.4)) {
  const CallableScorer scorer = linear_scorer(wave(1, 2, 2, 1));
  MethodRun run(scorer, input, {}, named("test"), 1);
  run.results()[0].map = map;
  return run.finish("because.");
}

TEST(MethodRun, ScoresInBatchesAndCounts) {
  std::vector<int64_t> batches;
  const CallableScorer scorer([&](const Tensor& x) {
    batches.push_back(x.size(0));
    return x.flatten(1).sum(1, true);
  });
  Events events;
  Execution execution;
  execution.batch = 3;
  execution.listener = &events;
  const Tensor samples = wave(7, 1, 4, 0.3).view({7, 1, 2, 2});
  {
    MethodRun run(scorer, samples[0], execution, named("test"), 7);
    const Tensor scores = run.score(samples);
    EXPECT_EQ(scores.scalar_type(), at::kDouble);
    EXPECT_TRUE(scores.allclose(samples.flatten(1).sum(1, true).to(at::kDouble)));
    run.results()[0].map = samples[0][0];
    const auto result = run.finish("").at(0);
    EXPECT_EQ(result.forwards, 7);
    EXPECT_DOUBLE_EQ(result.score, scores[0].item<double>());
  }
  EXPECT_THAT(batches, ElementsAre(3, 3, 1, 1));  // the last one reads the input's own score
  EXPECT_EQ(events.begun, "test 7");
  EXPECT_THAT(events.steps, ElementsAre(3, 6, 7));
  EXPECT_EQ(events.ends, 1);
}

/// A linear scorer on a machine where more than `most` samples at once do not fit.
CallableScorer scorer_of_little_memory(int64_t most, std::vector<int64_t>& batches) {
  return CallableScorer([most, &batches](const Tensor& x) {
    batches.push_back(x.size(0));
    if (x.size(0) > most) throw OutOfMemoryError("no memory");
    return x.flatten(1).sum(1, true);
  });
}

TEST(MethodRun, HalvesTheBatchWhereMemoryRunsOut) {
  std::vector<int64_t> batches;
  const CallableScorer scorer = scorer_of_little_memory(2, batches);
  Execution execution;
  execution.batch = 8;
  const Tensor samples = wave(7, 1, 4, 0.3).view({7, 1, 2, 2});
  MethodRun run(scorer, samples[0], execution, named("test"), 7);
  EXPECT_TRUE(run.score(samples).allclose(samples.flatten(1).sum(1, true).to(at::kDouble)));
  EXPECT_THAT(batches, ElementsAre(7, 3, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_EQ(run.next_chunk(100), 1);
  run.results()[0].map = samples[0][0];
  const Explanation result = run.finish("").at(0);
  EXPECT_EQ(result.forwards, 7);
  EXPECT_EQ(result.plan.at("batch"), "1");
}

TEST(MethodRun, OneSampleThatDoesNotFitIsAnError) {
  std::vector<int64_t> batches;
  const CallableScorer scorer = scorer_of_little_memory(0, batches);
  MethodRun run(scorer, wave(1, 2, 2, 1), {}, named("test"), 7);
  EXPECT_THROW(run.score(wave(4, 1, 4, 0.3).view({4, 1, 2, 2})), OutOfMemoryError);
  EXPECT_THAT(batches, ElementsAre(4, 2, 1));
}

TEST(MethodRun, ChunksEndWithTheBudget) {
  const CallableScorer scorer = linear_scorer(wave(1, 2, 2, 1));
  Execution execution;
  execution.batch = 4;
  execution.budget.forwards = 11;
  MethodRun run(scorer, wave(1, 2, 2, 0.4), execution, named("test"), 100);
  EXPECT_EQ(run.next_chunk(2), 2);
  EXPECT_EQ(run.next_chunk(100), 4);
  run.count(4, 4);
  EXPECT_EQ(run.next_chunk(100, 2), 1);  // three steps are left, a sample costs two
  run.count(1, 1);
  EXPECT_EQ(run.next_chunk(0), 0);
  EXPECT_FALSE(run.stopped());
  EXPECT_EQ(run.next_chunk(100, 2), 0);
  EXPECT_TRUE(run.stopped());
}

TEST(MethodRun, StopsWhenCancelledOrOutOfTime) {
  const CallableScorer scorer = linear_scorer(wave(1, 2, 2, 1));
  std::atomic<bool> cancelled = false;
  Execution execution;
  execution.cancelled = &cancelled;
  MethodRun run(scorer, wave(1, 2, 2, 0.4), execution, named("test"), 1);
  EXPECT_FALSE(run.should_stop());
  cancelled = true;
  EXPECT_TRUE(run.should_stop());
  Execution hurried;
  hurried.budget.seconds = 1e-9;
  MethodRun late(scorer, wave(1, 2, 2, 0.4), hurried, named("test"), 1);
  EXPECT_EQ(late.next_chunk(5), 0);
  EXPECT_TRUE(late.stopped());
}

TEST(MethodRun, RefusesScoresOfAnotherShape) {
  const CallableScorer scorer([](const Tensor& x) { return x.flatten(1).sum(1); });
  MethodRun run(scorer, wave(1, 2, 2, 0.4), {}, named("test"), 1);
  EXPECT_THROW(run.score(wave(1, 2, 2, 0.4).unsqueeze(0)), UsageError);
}

TEST(MethodRun, UnitsFollowTheTarget) {
  Target probability;
  probability.unit = TargetUnit::probability;
  const CallableScorer scorer([](const Tensor& x) { return x.flatten(1).sum(1, true); }, {probability});
  MethodRun run(scorer, wave(1, 2, 2, 0.4), {}, named("test"), 1);
  EXPECT_EQ(run.results()[0].unit, "probability per input unit");
}

TEST(Diagnosis, NamesWhatIsWrongWithAMap) {
  EXPECT_THAT(finish_with(wave(1, 2, 2, 1)[0])[0].warnings, ElementsAre());
  EXPECT_THAT(finish_with(at::zeros({2, 2}))[0].warnings, ElementsAre("The map is zero everywhere: because."));
  EXPECT_THAT(finish_with(at::full({2, 2}, 3.5))[0].warnings,
              ElementsAre(HasSubstr("constant: every pixel has the value 3.5")));
  EXPECT_THAT(finish_with(at::full({2, 2}, nan))[0].warnings, ElementsAre(HasSubstr("4 non-finite values of 4")));
}

TEST(Diagnosis, FindsTheBrokenPixel) {
  Tensor input = wave(1, 2, 2, 0.4);
  input[0][1][0] = nan;
  const auto warnings = finish_with(wave(1, 2, 2, 1)[0], input)[0].warnings;
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("channel 0, row 1, column 0"), HasSubstr("score of the input is not finite")));
}

TEST(Budget, HasTwoForms) {
  EXPECT_EQ(Budget::parse("2000forwards").forwards, 2000);
  EXPECT_FALSE(Budget::parse("2000forwards").seconds);
  EXPECT_EQ(Budget::parse("1.5s").seconds, 1.5);
  for (const char* wrong : {"", "s", "20", "forwards", "0s", "0forwards", "-1s", "1.5forwards", "3 s", "1.2.3s", "5m"})
    EXPECT_THROW(Budget::parse(wrong), UsageError) << wrong;
}

TEST(Baseline, ResolvesInInputSpace) {
  const CallableScorer scorer = linear_scorer(at::zeros({2, 1, 2}));
  const Tensor input = at::tensor({1., 3., -2., -4.}, at::kFloat).view({2, 1, 2});
  const auto values = [&](const std::string& name) {
    const Tensor resolved = Baseline(name).resolve(input, scorer).expand({2, 1, 2}).contiguous();
    return std::vector<float>(resolved.data_ptr<float>(), resolved.data_ptr<float>() + 4);
  };
  EXPECT_THAT(values("zero"), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(values("mean"), ElementsAre(2, 2, -3, -3));
  EXPECT_THAT(values("127.5"), ElementsAre(127.5, 127.5, 127.5, 127.5));  // inputs are pixels here
}

TEST(Baseline, BlackAndNumbersAskTheScorerWhereAPixelValueLies) {
  class Normalised : public Scorer {
    Tensor score(const Tensor& x) const override { return x.flatten(1).sum(1, true); }
    std::vector<Target> targets() const override { return {Target{}}; }
    Tensor pixel(double value, int64_t channels) const override {
      return at::full({channels, 1, 1}, value / 255 - 0.5);
    }
  } scorer;
  const Tensor input = wave(3, 2, 2, 1);
  EXPECT_EQ(Baseline("black").resolve(input, scorer).max().item<double>(), -0.5);
  EXPECT_EQ(Baseline("255").resolve(input, scorer).min().item<double>(), 0.5);
}

TEST(Baseline, MeanColourLooksPastBrokenPixels) {
  const CallableScorer scorer = linear_scorer(at::zeros({1, 1, 3}));
  const Tensor input = at::tensor({1., nan, 3.}, at::kFloat).view({1, 1, 3});
  EXPECT_EQ(Baseline("mean").resolve(input, scorer).item<double>(), 2);
}

TEST(Baseline, OthersMadeOfTheImage) {
  const CallableScorer scorer = linear_scorer(at::zeros({2, 30, 40}));
  const Tensor input = wave(2, 30, 40, 0.37) + at::tensor({1., 5.}, at::kFloat).view({2, 1, 1});
  const auto resolve = [&](const std::string& name) { return Baseline(name).resolve(input, scorer); };
  const Tensor noise = resolve("noise");
  EXPECT_NEAR(noise[1].mean().item<double>(), input[1].mean().item<double>(), 0.1);
  EXPECT_NEAR(noise[1].std().item<double>(), input[1].std().item<double>(), 0.1);
  EXPECT_TRUE(at::equal(noise, resolve("noise:1")));
  EXPECT_FALSE(at::equal(noise, resolve("noise:2")));
  const Tensor uniform = resolve("uniform:7");  // inputs are pixels here
  EXPECT_GE(uniform.min().item<double>(), 0);
  EXPECT_LE(uniform.max().item<double>(), 255);
  EXPECT_NEAR(uniform.mean().item<double>(), 127.5, 6);
  EXPECT_EQ(resolve("white").min().item<double>(), 255);
  const Tensor blurred = resolve("blur:3");
  EXPECT_LT(blurred[0].std().item<double>(), input[0].std().item<double>() / 2);
  EXPECT_TRUE(at::allclose(Baseline("blur:3").resolve(at::full({2, 30, 40}, 2.5), scorer), at::full({2, 30, 40}, 2.5)));
  EXPECT_FALSE(at::equal(blurred, resolve("blur")));
}

TEST(Baseline, WhatCannotBeIsExplained) {
  const CallableScorer scorer = linear_scorer(at::zeros({1, 4, 4}));
  const Tensor input = wave(1, 4, 4, 1);
  for (const char* name : {"blurr", "300", "blur:-1", "noise:x", "zero:3", "dataset:/no/such/folder"})
    EXPECT_THROW(Baseline{name}, UsageError) << name;
  EXPECT_THROW(Baseline("inpaint").resolve(input, scorer), UsageError);  // nothing is hidden
  EXPECT_THROW(Baseline("linear").resolve(input, scorer), UsageError);
  const std::string empty = testing::TempDir() + "no_photos";
  std::filesystem::create_directory(empty);
  EXPECT_THROW(Baseline("dataset:" + empty).resolve(input, scorer), InputError);
}

TEST(Baseline, PhotosOfAFolder) {
  class Prepared : public Scorer {
    Tensor score(const Tensor& x) const override { return x.flatten(1).sum(1, true); }
    std::vector<Target> targets() const override { return {Target{}}; }
    Tensor prepare(const std::filesystem::path& photo) const override {
      return at::full({1, 4, 4}, photo.filename() == "a.png" ? 1. : 3.);
    }
  } scorer;
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "two_photos";
  std::filesystem::create_directory(folder);
  for (const char* name : {"a.png", "b.JPG", "notes.txt"}) std::ofstream(folder / name) << "x";
  const Tensor input = wave(1, 4, 4, 1), masks = at::zeros({3, 1, 4, 4});
  EXPECT_TRUE(at::equal(Baseline("dataset:" + folder.string()).resolve(input, scorer), at::full({1, 4, 4}, 2.)));
  const Fill fill(Baseline("samples:" + folder.string()), input, scorer);
  const std::vector<int64_t> points = {0, 1, 4};
  EXPECT_TRUE(at::equal(fill.values(masks, points).select(1, 0).select(1, 0).select(1, 0),
                        at::tensor({1., 3., 1.}, at::kFloat)));
  const CallableScorer without = linear_scorer(at::zeros({1, 4, 4}));
  EXPECT_THROW(Baseline("dataset:" + folder.string()).resolve(input, without), UsageError);
}

TEST(Upsampling, NearestRepeatsAndSmoothKernelsKeepConstants) {
  const Tensor cells = at::tensor({1., 2., 3., 4.}, at::kFloat).view({2, 2});
  EXPECT_TRUE(upsample(cells, 4, 4, Interpolation::nearest)[0].equal(at::tensor({1., 1., 2., 2.}, at::kFloat)));
  for (const auto kernel : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic})
    EXPECT_TRUE(upsample(at::full({3, 2}, 2.5), 7, 5, kernel).allclose(at::full({7, 5}, 2.5)));
  const Tensor line = upsample(at::tensor({0., 1.}, at::kFloat).view({1, 2}), 1, 4, Interpolation::bilinear);
  EXPECT_TRUE(line.equal(at::tensor({0., 0.25, 0.75, 1.}, at::kFloat).view({1, 4})));  // pixel centres aligned
}

TEST(Summary, SaysWhatAReaderNeeds) {
  auto result = finish_with(at::full({2, 2}, 3.5))[0];
  result.method = "test:seed=1";
  result.completeness_gap = 0.25;
  result.partial = true;
  result.plan["layer"] = "layer4";
  const std::string summary = result.summary();
  for (const char* word : {"test:seed=1", "partial", "target top1", "score", "completeness gap 0.25", "layer layer4",
                           "warning: The map is constant", "2 x 2", "logit per input unit"})
    EXPECT_THAT(summary, HasSubstr(word));
}

}  // namespace
}  // namespace vitrail
