#include <vitrail/shapley.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
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

constexpr int64_t first_look = 4;  // units, where a tolerance is asked for

/// What every region adds, [d,T], and what all add together, [T].
struct Gains {
  Tensor by_region, all;
};

/// An order, and where it is asked for its reverse: the regions join one after the other, and leave again in the order
/// in which they came, so that before each those show that come after it.
CoalitionPath path_of(const ShapleyOptions& options, int64_t regions, int64_t unit) {
  CoalitionPath path{draw_order(regions, options.seed, static_cast<uint64_t>(unit)), unit};
  if (options.antithetic)  // the last one to leave leaves what there was in the beginning
    for (int64_t i = 0; i + 1 < regions; ++i) path.regions.push_back(path.regions[static_cast<size_t>(i)]);
  return path;
}

/// The mean over the order and its reverse.
Gains read_path(const CoalitionPath& path, const Tensor& scores, int64_t regions, bool antithetic) {
  Tensor gains = scores.narrow(0, 1, regions) - scores.narrow(0, 0, regions);
  if (antithetic) {
    const Tensor leaving = at::cat({scores.narrow(0, regions, regions), scores.narrow(0, 0, 1)});
    gains = (gains + leaving.narrow(0, 0, regions) - leaving.narrow(0, 1, regions)) / 2;
  }
  const Tensor by_region = at::empty_like(gains);
  for (int64_t i = 0; i < regions; ++i) by_region[path.regions[static_cast<size_t>(i)]].copy_(gains[i]);
  return {by_region, scores[regions] - scores[0]};
}

/// Of the units from `first` on; fewer where the run stops.
std::vector<Gains> follow(CoalitionScorer& scorer, const ShapleyOptions& options, int64_t first, int64_t count) {
  std::vector<CoalitionPath> paths;
  for (int64_t i = 0; i < count; ++i) paths.push_back(path_of(options, scorer.regions(), first + i));
  std::vector<Gains> gains;
  for (const Tensor& scores : scorer.score_paths(paths))
    gains.push_back(read_path(paths[gains.size()], scores, scorer.regions(), options.antithetic));
  return gains;
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
  LookSchedule looks(first_look);
  int64_t left_out = 0;
  for (int64_t done = 0; done < units_of(options);) {
    const int64_t most = rule.is_asked() ? looks.until_next(done) : run.batch();
    const int64_t wanted = std::min({most, run.batch(), units_of(options) - done});
    const std::vector<Gains> found = follow(scorer, options, done, wanted);
    for (const Gains& gains : found) {
      if (at::isfinite(gains.by_region).all().item<bool>()) {
        moments.add(gains.by_region);
        difference.add(gains.all);
      } else {
        ++left_out;
      }
    }
    done += static_cast<int64_t>(found.size());
    if (static_cast<int64_t>(found.size()) < wanted) break;
    if (rule.is_asked() && looks.is_due(done) && rule.settled(estimate(moments, scorer.is_constant()), moments.count))
      break;
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
  const int64_t regions = options.grid * options.grid;
  return {.forwards = units_of(options) * (options.antithetic ? 2 * regions : regions + 1)};
}

const MethodDefinition<ShapleyOptions, Scorer>& definition() {
  using Options = ShapleyOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "shapley",
       .family = "perturbation",
       .summary = "Shapley values of regions: what each adds when it joins the others in a random order.",
       .formula = "phi_i = mean over orders of g(regions before i, and i) - g(regions before i)",
       .cost = "permutations x grid^2, or (grid^2 + 1) without reverses; less where coalitions repeat",
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
