#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/shapley.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

constexpr int64_t most_regions = 16;

void check_regions(int64_t regions) {
  if (regions > most_regions)
    throw UsageError("exact_shapley: found " + std::to_string(regions) + " regions, which have 2^" +
                     std::to_string(regions) + " coalitions; expected at most " + std::to_string(most_regions) +
                     ". Use fewer regions, or kernel_shap or shapley, which sample.");
}

/// Coalitions as bit patterns, those of none and all regions first, then of one and all but one, and so inwards.
std::vector<uint32_t> inwards(int64_t regions) {
  std::vector<uint32_t> all(size_t{1} << regions);
  std::iota(all.begin(), all.end(), 0U);
  std::sort(all.begin(), all.end(), [&](uint32_t a, uint32_t b) {
    const auto rank = [&](uint32_t pattern) {
      const int64_t size = std::popcount(pattern);
      return std::make_tuple(std::min(size, regions - size), size, pattern);
    };
    return rank(a) < rank(b);
  });
  return all;
}

Tensor shown_in(uint32_t pattern, int64_t regions) {
  const Tensor shown = at::zeros({regions}, at::kDouble);
  for (int64_t i = 0; i < regions; ++i) shown[i] = (pattern >> i & 1U) == 1U ? 1. : 0.;
  return shown;
}

/// Scores by bit pattern, [2^d,T], of photos for a baseline the mean over them; NaN where the run stopped before.
Tensor score_all(MethodRun& run, CoalitionScorer& scorer, int64_t ways) {
  const int64_t regions = scorer.regions();
  const Tensor scores =
      at::full({int64_t{1} << regions, run.targets()}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  std::vector<int64_t> numbers(static_cast<size_t>(ways));
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::vector<uint32_t> order = inwards(regions);
  CoalitionUnits units;
  units.count = static_cast<int64_t>(order.size());
  units.draw = [&](int64_t unit) {
    return shown_in(order[static_cast<size_t>(unit)], regions).expand({ways, regions}).contiguous();
  };
  units.numbers = [&](int64_t) { return numbers; };
  units.add = [&](int64_t first, const Tensor&, const Tensor& found) {
    const Tensor means = found.view({-1, ways, run.targets()}).mean(1);
    for (int64_t i = 0; i < means.size(0); ++i) scores[order[static_cast<size_t>(first + i)]].copy_(means[i]);
  };
  const int64_t done = score_units(run, scorer, units);
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(done) + " of " + std::to_string(units.count) +
             " coalitions: the values are means over these, not exact.");
  return scores.contiguous();
}

/// The mean over sizes of the mean over coalitions of that size without the region of what it adds; over what is known.
double shapley_value(const double* scores, int64_t regions, int64_t targets, int64_t region, int64_t target) {
  std::vector<double> sum(static_cast<size_t>(regions));
  std::vector<int64_t> count(static_cast<size_t>(regions));
  for (uint32_t pattern = 0; pattern < uint32_t{1} << regions; ++pattern) {
    const uint32_t joined = pattern | uint32_t{1} << region;
    const double gain = scores[joined * targets + target] - scores[pattern * targets + target];
    if (joined == pattern || !std::isfinite(gain)) continue;
    const auto size = static_cast<size_t>(std::popcount(pattern));
    sum[size] += gain;
    ++count[size];
  }
  double value = 0;
  int64_t sizes = 0;
  for (size_t size = 0; size < sum.size(); ++size) {
    if (count[size] == 0) continue;
    value += sum[size] / static_cast<double>(count[size]);
    ++sizes;
  }
  return sizes > 0 ? value / static_cast<double>(sizes) : 0;
}

void explain_input(MethodRun& run, const Scorer& model, const ExactShapleyOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  const int64_t regions = perturber.cells();
  check_regions(regions);
  CoalitionScorer scorer(run, perturber);
  const Tensor scores = score_all(run, scorer, perturber.fill().ways_to_hide_all());
  const Tensor values = at::zeros({regions, run.targets()}, at::kDouble);
  for (int64_t i = 0; i < regions; ++i)
    for (int64_t t = 0; t < run.targets(); ++t)
      values[i][t] = shapley_value(scores.const_data_ptr<double>(), regions, run.targets(), i, t);
  const CellEstimate estimate{at::where(scorer.is_constant(), values.new_zeros({}), values), {}};
  fill_results(run, perturber, estimate);
  const Tensor none = scores[0], all = scores[scores.size(0) - 1];
  if (!at::isfinite(all - none).all().item<bool>()) return;
  run.set_scores(all);
  fill_completeness(run, estimate, all - none);
}

Method::Cost cost(const ExactShapleyOptions& options, int64_t, int64_t, int64_t) {
  check_regions(options.grid * options.grid);
  return {.forwards = int64_t{1} << (options.grid * options.grid)};
}

const MethodDefinition<ExactShapleyOptions, Scorer>& definition() {
  using Options = ExactShapleyOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "exact_shapley",
       .family = "perturbation",
       .summary = "Shapley values of up to 16 regions from the scores of all their coalitions.",
       .formula = "phi_i = sum over S without i of |S|! (d - |S| - 1)! / d! (g(S + i) - g(S))",
       .cost = "2^(grid^2)",
       .guarantees = "Deterministic and exact. Sums to score - score of the baseline.",
       .source = "Shapley: A Value for n-Person Games, 1953",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(region_rows<Options>()), exact_shapley, cost);
  return definition;
}

}  // namespace

const MethodEntry& exact_shapley_method() { return definition(); }

std::vector<Explanation> exact_shapley(const Scorer& scorer, const Tensor& inputs, const ExactShapleyOptions& options,
                                       const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> exact_shapley(const Model& model, const Image& image, const std::string& target,
                                       const ExactShapleyOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return exact_shapley(probe, input, options); });
}

}  // namespace vitrail
