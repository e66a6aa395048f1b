#include <vitrail/shapley.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/moments.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// What every region adds, [d,T], and what all add together, [T]; undefined where the run stopped on the way.
struct Gains {
  Tensor by_region, all;
  bool defined() const { return all.defined(); }
};

Gains follow(CoalitionScorer& scorer, const std::vector<int64_t>& order, int64_t point) {
  const Tensor scores = scorer.score_path(at::zeros({scorer.regions()}, at::kDouble), order, point);
  const int64_t steps = scorer.regions();
  if (scores.size(0) <= steps) return {};
  const Tensor gains = scores.narrow(0, 1, steps) - scores.narrow(0, 0, steps), by_region = at::empty_like(gains);
  for (int64_t step = 0; step < steps; ++step) by_region[order[static_cast<size_t>(step)]].copy_(gains[step]);
  return {by_region, scores[steps] - scores[0]};
}

/// The mean over an order and, if asked for, its reverse.
Gains follow_unit(CoalitionScorer& scorer, const ShapleyOptions& options, int64_t unit) {
  std::vector<int64_t> order = draw_order(scorer.regions(), options.seed, static_cast<uint64_t>(unit));
  Gains forth = follow(scorer, order, unit);
  if (!options.antithetic || !forth.defined()) return forth;
  std::reverse(order.begin(), order.end());
  const Gains back = follow(scorer, order, unit);
  return back.defined() ? Gains{(forth.by_region + back.by_region) / 2, (forth.all + back.all) / 2} : back;
}

int64_t orders_a_unit(const ShapleyOptions& options) { return options.antithetic ? 2 : 1; }

int64_t units_of(const ShapleyOptions& options) {
  return (options.permutations + orders_a_unit(options) - 1) / orders_a_unit(options);
}

CellEstimate estimate(const RunningMoments& moments, const Tensor& is_constant) {
  const Tensor zero = moments.mean.new_zeros({});
  const Tensor error = moments.count > 1 ? moments.standard_error() : moments.mean * 0;
  return {at::where(is_constant, zero, moments.mean), at::where(is_constant, zero, error), is_constant};
}

void explain_input(MethodRun& run, const Scorer& model, const ShapleyOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  CoalitionScorer scorer(run, perturber);
  SettleRule rule(options.tolerance, options.top);
  const Tensor zeros = at::zeros({perturber.cells(), run.targets()}, at::kDouble);
  RunningMoments moments{zeros, zeros}, difference{zeros.select(0, 0), zeros.select(0, 0)};
  int64_t left_out = 0;
  for (int64_t unit = 0; unit < units_of(options); ++unit) {
    const Gains gains = follow_unit(scorer, options, unit);
    if (!gains.defined()) break;
    if (!at::isfinite(gains.by_region).all().item<bool>()) {
      ++left_out;
      continue;
    }
    moments.add(gains.by_region);
    difference.add(gains.all);
    if (rule.is_asked() && rule.settled(estimate(moments, scorer.is_constant()), moments.count)) break;
  }
  warn_of_stop(run, moments.count, units_of(options), options.antithetic ? "pairs of orders" : "orders");
  if (left_out > 0) run.warn(std::to_string(left_out) + " orders met a score that is not finite and were left out.");
  for (Explanation& result : run.results())
    result.plan["permutations"] = std::to_string(moments.count * orders_a_unit(options));
  const CellEstimate values = estimate(moments, scorer.is_constant());
  fill_results(run, perturber, values, {.verdict = rule.verdict()});
  if (moments.count > 0) fill_completeness(run, values, difference.mean);
}

Method::Cost cost(const ShapleyOptions& options, int64_t, int64_t, int64_t) {
  const int64_t regions = options.grid * options.grid, orders = units_of(options) * orders_a_unit(options);
  const bool shares_ends = !options.baseline.depends_on_sample() && options.baseline.name() != "linear";
  return {.forwards = shares_ends ? 2 + orders * (regions - 1) : orders * (regions + 1)};
}

const MethodDefinition<ShapleyOptions, Scorer>& definition() {
  using Options = ShapleyOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "shapley",
       .family = "perturbation",
       .summary = "Shapley values of regions: what each adds when it joins the others in a random order.",
       .formula = "phi_i = mean over orders of g(regions before i, and i) - g(regions before i)",
       .cost = "permutations x (grid^2 - 1) + 2",
       .guarantees = "Sampled without bias, with a standard error. Sums to score - score of the baseline.",
       .source = "Castro, Gomez, Tejada: Polynomial calculation of the Shapley value based on sampling, 2009",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("permutations", &Options::permutations, "orders drawn, with the reversed ones", at_least(1)),
              option("antithetic", &Options::antithetic, "follow each order by its reverse"),
              option("seed", &Options::seed, "of the orders")} +
          region_rows<Options>() + settle_rows<Options>()),
      shapley, cost);
  return definition;
}

}  // namespace

const MethodEntry& shapley_method() { return definition(); }

std::vector<Explanation> shapley(const Scorer& scorer, const Tensor& inputs, const ShapleyOptions& options,
                                 const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> shapley(const Model& model, const Image& image, const std::string& target,
                                 const ShapleyOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return shapley(probe, input, options); });
}

}  // namespace vitrail
