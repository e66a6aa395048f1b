// How a method runs does not change what it finds: seeds, batches, threads, targets, budgets, cancellation, memory.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <gmock/gmock.h>
#include <vitrail/memory.h>

#include <atomic>
#include <limits>

#include "attribution/perturbation/scorers_for_tests.h"
#include "laws/laws.h"

namespace vitrail::laws {
namespace {

class Runs : public Law {};
INSTANTIATE_TEST_SUITE_P(Methods, Runs, ::testing::ValuesIn(names()), test_name);

TEST_P(Runs, TheResultIsComplete) {
  const auto results = run();
  ASSERT_EQ(results.size(), 2U);
  for (const Explanation& result : results) {
    EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{side, side}));
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_FALSE(result.partial);
    if (exemption("cost", name()).empty()) {
      EXPECT_GT(steps(result), 0);
    }
    EXPECT_FALSE(result.unit.empty());
    EXPECT_EQ(result.name, name());
    EXPECT_EQ(parse_method(result.method)->canonical(), result.method);
    if (result.standard_error.defined()) {
      EXPECT_EQ(result.standard_error.sizes(), result.map.sizes());
      EXPECT_GE(result.standard_error.min().item<double>(), 0);
    }
  }
  if (exemption("a target of its own", name()).empty()) {
    EXPECT_GT(difference(results[0].map, results[1].map), 0) << "both targets have the same map";
  }
}

TEST_P(Runs, SameSeedSameBytes) {
  const auto first = run(), second = run();
  for (size_t t = 0; t < first.size(); ++t) EXPECT_TRUE(same(first[t], second[t]));
}

TEST_P(Runs, BatchesDoNotMatter) {
  const auto one = run({}, batch_of(1));
  for (const int64_t batch : {7, 64}) {
    const auto other = run({}, batch_of(batch));
    for (size_t t = 0; t < one.size(); ++t) {
      EXPECT_LE(difference(one[t].map, other[t].map), 1e-5) << "batch " << batch;
      EXPECT_EQ(steps(one[t]), steps(other[t]));
    }
  }
}

TEST_P(Runs, ThreadsDoNotMatter) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  at::set_num_threads(threads);
  for (size_t t = 0; t < one.size(); ++t) EXPECT_LE(difference(one[t].map, two[t].map), 1e-5);
}

TEST_P(Runs, TargetsTogetherAreTargetsAlone) {
  const auto together = run({}, {}, {0, 1, 3});
  const std::vector<int64_t> indices = {0, 1, 3};
  for (size_t t = 0; t < indices.size(); ++t) {
    const Explanation alone = run({}, {}, {indices[t]})[0];
    EXPECT_EQ(together[t].target.index, indices[t]);
    EXPECT_LE(difference(alone.map, together[t].map), 1e-5);
    EXPECT_NEAR(alone.score, together[t].score, 1e-5 * (1 + std::abs(alone.score)));
  }
}

TEST_P(Runs, InputsTogetherAreInputsAlone) {
  const Tensor input = photo(), other = photo(0.53), both = at::cat({input, other}), copy = both.clone();
  const auto together = explain(method(), subject(name()), both, {0, 1});
  ASSERT_EQ(together.size(), 4U);
  EXPECT_LE(difference(explain(method(), subject(name()), input, {0, 1})[1].map, together[1].map), 1e-5);
  EXPECT_LE(difference(explain(method(), subject(name()), other, {0, 1})[0].map, together[2].map), 1e-5);
  EXPECT_TRUE(at::equal(both, copy)) << "the input was changed";
}

void expect_valid_partial(const Explanation& result) {
  EXPECT_TRUE(result.partial);
  EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
  if (result.standard_error.defined()) {
    EXPECT_TRUE(at::isfinite(result.standard_error).all().item<bool>());
  }
}

TEST_P(Runs, ABudgetGivesAValidPartialResult) {
  const int64_t all = steps(run()[0]);
  if (all < 8) {
    note_exemption("anytime", name(), "a pass or two: there is nothing to stop");
    GTEST_SKIP() << "a run takes " << all << " steps";
  }
  Execution execution = batch_of(2);
  execution.budget.forwards = all / 2;
  for (const Explanation& result : run({}, execution)) {
    expect_valid_partial(result);
    EXPECT_LE(steps(result), *execution.budget.forwards);
    EXPECT_GT(steps(result), 0);
  }
}

TEST_P(Runs, CancelledHalfwayIsAValidPartialResult) {
  struct Canceller : Listener {
    explicit Canceller(int64_t at) : at(at) {}
    void on_progress(int64_t done, int64_t) override {
      if (done >= at) cancelled = true;
    }
    int64_t at;
    std::atomic<bool> cancelled = false;
  };
  const int64_t all = steps(run()[0]);
  if (all < 8) GTEST_SKIP() << "a run takes " << all << " steps";
  Canceller canceller(all / 2);
  Execution execution = batch_of(2);
  execution.listener = &canceller;
  execution.cancelled = &canceller.cancelled;
  for (const Explanation& result : run({}, execution)) {
    expect_valid_partial(result);
    EXPECT_LT(steps(result), all);
  }
}

TEST_P(Runs, CancelledBeforeItBeginsIsZeroAndSaysSo) {
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  for (const Explanation& result : run({}, execution)) {
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    if (steps(result) == 0) {
      EXPECT_TRUE(result.partial);
      EXPECT_EQ(result.map.abs().max().item<double>(), 0);
      EXPECT_FALSE(result.warnings.empty());
    } else {
      EXPECT_LT(steps(result), 8) << "a method that takes more steps stops before them";
    }
  }
}

TEST_P(Runs, MemoryDoesNotGrowWithTheSamples) {
  struct Watcher : Listener {
    void on_progress(int64_t, int64_t) override { peak = std::max(peak, memory_use().live); }
    int64_t peak = 0;
  };
  use_caching_allocator();
  const std::vector<std::pair<std::string, std::pair<std::string, std::string>>> more = {
      {"masks", {"100", "400"}},     {"samples", {"64", "256"}},    {"coalitions", {"100", "400"}},
      {"permutations", {"8", "32"}}, {"evaluations", {"20", "80"}}, {"designs", {"4", "16"}},
      {"steps", {"16", "64"}},       {"iterations", {"20", "80"}},  {"stride", {"3", "1"}},
  };
  const auto found = std::find_if(more.begin(), more.end(), [&](const auto& m) { return has_option(name(), m.first); });
  if (found == more.end()) {
    note_exemption("memory", name(), "takes no number of samples");
    GTEST_SKIP();
  }
  const std::string option = found->first;
  const auto counts = found->second;
  const auto peak = [&](const std::string& count) {
    Watcher watcher;
    Execution execution;
    execution.listener = &watcher;
    const int64_t before = memory_use().live;
    Settings settings = {{option, count}};
    if (option == "steps") settings["max_steps"] = count;
    const auto results = run(settings, execution);
    return std::pair(watcher.peak - before, steps(results[0]));
  };
  peak(counts.first);  // what is kept for later (prepacked weights, tables) is kept now
  const auto [few, few_steps] = peak(counts.first);
  const int64_t before = memory_use().live;
  const auto [many, many_steps] = peak(counts.second);
  EXPECT_EQ(memory_use().live, before) << "tensors are left behind";
  // A sample is 1728 bytes here. What a method may keep of it is its scores and its mask's few numbers.
  EXPECT_LT(many - few, 4096 + 400 * (many_steps - few_steps))
      << few_steps << " steps: " << few << " bytes, " << many_steps << " steps: " << many << " bytes";
}

// Degenerate models and inputs.

TEST_P(Runs, AConstantModelIsDiagnosed) {
  if (reads_attention(name())) {
    note_exemption("constant model", name(),
                   "reads the attention of the network, which a constant head leaves as it is");
    GTEST_SKIP();
  }
  const Explanation result = explain(method(), cnn({.constant = true}), photo())[0];
  const double range = (result.map.max() - result.map.min()).item<double>();
  if (const std::string reason = exemption("constant model", name()); !reason.empty()) GTEST_SKIP() << reason;
  EXPECT_LE(range, 1e-6 * std::abs(result.score));
  EXPECT_FALSE(result.warnings.empty());
}

TEST_P(Runs, ASaturatedProbabilityIsDiagnosed) {
  if (const std::string reason = exemption("saturation", name()); !reason.empty()) GTEST_SKIP() << reason;
  if (reads_attention(name())) GTEST_SKIP() << "reads attention";
  Target target;
  target.string = "prob:0";
  target.unit = TargetUnit::probability;
  const Model model = cnn({.confidence = 1e4});
  target.index = model.logits(photo())[0].argmax().item<int64_t>();
  const auto probe = model.probe({target});
  const Explanation result = parse_method(method())->explain(*probe, photo(), {})[0];
  EXPECT_EQ(result.score, 1);
  // Where hiding parts unsaturates it there is a map; where there is none the result says why.
  EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
  if (result.map.abs().max().item<double>() == 0) {
    EXPECT_FALSE(result.warnings.empty());
  }
}

TEST_P(Runs, ABrokenPixelIsNamed) {
  Tensor broken = photo().clone();
  broken[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  const auto results = explain(method(), subject(name()), broken);
  EXPECT_THAT(results[0].warnings, ::testing::Contains(::testing::HasSubstr("channel 1, row 2, column 3")));
}

// A NaN stays where it is: no sample that a black-box method sends has it elsewhere, for it is selected, not
// multiplied.
TEST_P(Runs, ABrokenPixelStaysWhereItIs) {
  if (info().access != Access::scorer) {
    note_exemption("NaN containment", name(), "sends the input itself through the network: nothing is hidden");
    GTEST_SKIP();
  }
  VITRAIL_LAW("NaN containment");
  Tensor broken = photo().clone();
  broken[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  bool elsewhere = false, hidden = false;
  const CallableScorer watching([&](const Tensor& x) {
    Tensor bad = at::isfinite(x).logical_not();
    hidden = hidden || bad.flatten(1).any(1).logical_not().any().item<bool>();
    bad.select(1, 1).select(1, 2).select(1, 3).fill_(false);
    elsewhere = elsewhere || bad.any().item<bool>();
    return x.nan_to_num(0).flatten(1).sum(1, true);
  });
  parse_method(method())->explain(watching, broken, {});
  EXPECT_FALSE(elsewhere);
  if (exemption("NaN hidden", name()).empty()) {
    EXPECT_TRUE(hidden) << "no sample hides the pixel as a whole";
  }
}

}  // namespace
}  // namespace vitrail::laws
