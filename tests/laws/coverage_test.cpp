// Error bars: nominal 95 % intervals, estimate +- t SE, cover the expectation in 92 to 98 of 100 runs.
//
// 1000 runs with different seeds on a score whose expectation is known: from many more samples of the same method,
// whose own error is negligible beside that of a run. What is counted are the centres of cells (there the enlarged maps
// are the cells' own values), or every pixel.

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "attribution/nets_for_tests.h"
#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/perturbation/student.h"
#include "laws/laws.h"

namespace vitrail::laws {
namespace {

constexpr int64_t kRuns = 1000;
constexpr double kLevel = 0.05;

class Coverage : public Law {};
INSTANTIATE_TEST_SUITE_P(Methods, Coverage, ::testing::ValuesIn(names()), test_name);

/// A smooth score with interactions.
const Scorer& scorer(const std::string& name) {
  static const Tensor u = wave(3, side, side, 0.7) * 0.2, v = wave(3, side, side, 1.9) * 0.2;
  static const CallableScorer curved([](const Tensor& x) {
    const Tensor a = (x * u).flatten(1).sum(1), b = (x * v).flatten(1).sum(1);
    return (a + a * b * 0.3 + b.square() * 0.2).unsqueeze(1);
  });
  // Pairs of complements, and of orders and their reverses, leave no error of a score of second order.
  static const CallableScorer of_third_order([](const Tensor& x) {
    const Tensor a = (x * u).flatten(1).sum(1), b = (x * v).flatten(1).sum(1);
    return (a + a * b * 0.3 + (a * 2 + b * 3).sin()).unsqueeze(1);
  });
  static const PooledNet net({0});
  if (info_of(name).access == Access::layer) return net;
  return name == "kernel_shap" || name == "shapley" ? of_third_order : curved;
}

/// What makes a run: few samples, but no fewer than an interval can be made of.
Settings run_settings(const std::string& name) {
  Settings settings = {{"designs", "8"}, {"replicates", "8"},   {"samples", "64"},
                       {"masks", "200"}, {"coalitions", "400"}, {"permutations", "48"}};
  // Shrinkage moves the expectation itself, more with few samples than with the many of the truth.
  if (name == "lime") settings["ridge"] = "0";
  if (name == "dgsm" || name == "dgsm_morris") settings["samples"] = "16";
  if (name == "smooth_gradcam_pp") settings["layer"] = "conv";  // behind the ReLU the gradient is constant
  if (info_of(name).access == Access::layer) settings["relu"] = "false";
  return settings;
}

/// The same with so many that the estimate is the expectation.
Settings truth_settings(const std::string& name) {
  Settings settings = run_settings(name);
  for (const char* option : {"replicates", "masks", "coalitions", "permutations"})
    settings[option] = std::to_string(200 * std::stoll(settings[option]));
  if (!has_option(name, "replicates")) settings["samples"] = std::to_string(200 * std::stoll(settings["samples"]));
  return settings;
}

/// Degrees of freedom of the standard error: of what it is made.
double degrees(const std::string& name, const Settings& settings) {
  const auto number = [&](const char* option) { return static_cast<double>(std::stoll(settings.at(option))); };
  if (has_option(name, "replicates")) return number("replicates") - 1;
  if (info_of(name).family == "cam") return 9;                                  // a jackknife over 10 blocks
  if (name == "kernel_shap") return 19;                                         // a jackknife over 20 groups
  if (has_option(name, "permutations")) return number("permutations") / 2 - 1;  // over pairs of orders
  if (has_option(name, "masks")) return number("masks") - 1;
  return number("samples") - 1;
}

/// Where the enlarged map holds the native values.
Tensor places(const Explanation& result, const Tensor& map) {
  if (!result.cells.defined() || result.cells.numel() == map.numel()) return map.flatten();
  return map.slice(0, 1, {}, 3).slice(1, 1, {}, 3).flatten();  // a grid of 4 cells of 3 pixels
}

TEST_P(Coverage, IntervalsCoverTheExpectation) {
  VITRAIL_LAW("coverage");
  const Settings settings = run_settings(name());
  const auto explain_with = [&](const Settings& with, int64_t seed) {
    Settings all = with;
    all["seed"] = std::to_string(seed);
    return parse_method(method(all))->explain(scorer(name()), photo() * 0.5, batch_of(256))[0];
  };
  if (!is_sampled() || !explain_with(settings, 1).standard_error.defined()) {
    note_exemption("coverage", name(), "draws no samples, and has no standard error");
    GTEST_SKIP() << "no standard error";
  }
  const Explanation truth = explain_with(truth_settings(name()), 99991);
  const Tensor expected = places(truth, truth.map).to(at::kDouble);
  const double t = student_quantile(kLevel, degrees(name(), settings));
  Tensor covered = at::zeros_like(expected);
  for (int64_t seed = 1; seed <= kRuns; ++seed) {
    const Explanation result = explain_with(settings, seed);
    const Tensor off = (places(result, result.map).to(at::kDouble) - expected).abs();
    covered += off.le(places(result, result.standard_error).to(at::kDouble) * t);
  }
  const double coverage = covered.mean().item<double>() / kRuns;
  RecordProperty("coverage", std::to_string(coverage));
  std::printf("coverage %-22s %.3f\n", name().c_str(), coverage);
  EXPECT_GE(coverage, 0.92);
  EXPECT_LE(coverage, 0.98);
}

}  // namespace
}  // namespace vitrail::laws
