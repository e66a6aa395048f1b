#include <vitrail/kernel_shap.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/regression.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// Odd powers of 2 k/d - 1 take up what the score owes to the mere number k of regions that show, in pairs of opposed
/// coalitions; single coalitions need the even ones too.
constexpr int64_t paired_trend = 4, single_trend = 7;

/// What is solved: the deviations of the values from the equal share, of sum zero.
class DeviationFit {
 public:
  /// Scores of all regions and of none, [T].
  DeviationFit(int64_t regions, const Tensor& all, const Tensor& none, bool paired)
      : regions_(static_cast<double>(regions)),
        paired_(paired),
        none_(none),
        difference_(all - none),
        sums_(paired ? paired_trend : single_trend, regions, all.size(0)) {}

  int64_t left_out() const { return sums_.left_out(); }
  int64_t groups() const { return std::min(sums_.units(), RegressionSums::groups); }

  /// Coalitions [n,d], in pairs [S_1, complement, S_2, ...] or one by one; a weight each, or each pair.
  void add(const Tensor& shown, const Tensor& scores, const Tensor& weights) {
    const auto every_second = [&](const Tensor& t, int64_t first) { return t.slice(0, first, t.size(0), 2); };
    const Tensor z = paired_ ? every_second(shown, 0) : shown;
    // v(S) - v(none), or what the pair says of it: the odd part and half of the difference.
    const Tensor gain =
        paired_ ? (every_second(scores, 0) - every_second(scores, 1) + difference_) / 2 : scores - none_;
    const Tensor share = z.mean(1, /*keepdim=*/true), centred = share * 2 - 1;
    Tensors trend;
    for (int64_t power = 0; power < (paired_ ? paired_trend : single_trend); ++power)
      trend.push_back(centred.pow(paired_ ? 2 * power + 1 : power));
    sums_.add(at::cat(trend, 1), z - share, gain - share * difference_, weights);
  }

  CellEstimate estimate(bool ridge, const Tensor& is_constant) const {
    const Tensor equal = (difference_ / regions_).expand({static_cast<int64_t>(regions_), difference_.size(0)});
    if (sums_.rows() < 2) return {equal, at::zeros_like(equal)};
    const RegressionFit fit = sums_.fit(ridge ? std::nullopt : std::optional<double>(0));
    // Coefficients of rows of sum zero, up to a constant: of sum zero themselves.
    const auto of_sum_zero = [](const Tensor& b) { return b - b.mean(-2, /*keepdim=*/true); };
    const Tensor zero = difference_.new_zeros({});
    const Tensor error = jackknife_error(of_sum_zero(fit.without)) * shrinkage_factor(fit, of_sum_zero(fit.axes));
    return {at::where(is_constant, zero, of_sum_zero(fit.coefficients) + difference_ / regions_),
            at::where(is_constant, zero, error), is_constant};
  }

 private:
  double regions_;
  bool paired_;
  Tensor none_, difference_;
  RegressionSums sums_;
};

void sample(MethodRun& run, CoalitionScorer& scorer, const KernelShapOptions& options, DeviationFit& fit,
            SettleRule& rule) {
  const int64_t regions = scorer.regions();
  const auto draw = [&](int64_t unit, double& weight) {
    return draw_coalition(options.sizes, regions, options.seed, static_cast<uint64_t>(unit), weight);
  };
  CoalitionUnits units;
  const int64_t wanted = options.paired ? (options.coalitions + 1) / 2 : options.coalitions;
  units.count = regions < 2 ? 0 : wanted;
  units.draw = [&](int64_t unit) {
    double weight = 1;
    const Tensor shown = draw(unit, weight);
    return options.paired ? at::stack({shown, 1 - shown}) : shown.unsqueeze(0);
  };
  units.add = [&](int64_t first, const Tensor& shown, const Tensor& scores) {
    std::vector<double> weights;
    for (int64_t unit = 0; unit < shown.size(0) / (options.paired ? 2 : 1); ++unit)
      draw(first + unit, weights.emplace_back(1));
    fit.add(shown, scores, at::tensor(weights, at::kDouble));
  };
  if (rule.is_asked())
    units.settled = [&](int64_t) {
      return rule.settled(fit.estimate(options.ridge, scorer.is_constant()), fit.groups());
    };
  const int64_t done = score_units(run, scorer, units);
  warn_of_stop(run, done, units.count, options.paired ? "pairs of coalitions" : "coalitions");
  if (fit.left_out() > 0)
    run.warn(std::to_string(fit.left_out()) + " of " + std::to_string(done) +
             (options.paired ? " pairs" : " coalitions") + " got a score that is not finite and were left out.");
}

void explain_input(MethodRun& run, const Scorer& model, const KernelShapOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  CoalitionScorer scorer(run, perturber);
  SettleRule rule(options.tolerance, options.top);
  const Tensor all = scorer.score_uniform(1), none = scorer.score_uniform(0);
  if (all.size(0) == 0 || none.size(0) == 0) {
    run.warn("Stopped before the image and its baseline were scored: nothing is known and the map is zero.");
    return fill_results(run, perturber, nothing_known(perturber.cells(), run.targets()));
  }
  run.set_scores(all[0]);
  DeviationFit fit(perturber.cells(), all[0], none.mean(0), options.paired);
  sample(run, scorer, options, fit, rule);
  const CellEstimate estimate = fit.estimate(options.ridge, scorer.is_constant());
  fill_results(run, perturber, estimate, {.verdict = rule.verdict()});
  fill_completeness(run, estimate, all[0] - none.mean(0));
}

Method::Cost cost(const KernelShapOptions& options, int64_t, int64_t, int64_t) {
  return {.forwards = 2 + (options.paired ? (options.coalitions + 1) / 2 * 2 : options.coalitions)};
}

const MethodDefinition<KernelShapOptions, Scorer>& definition() {
  using Options = KernelShapOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "kernel_shap",
       .family = "perturbation",
       .summary = "Shapley values of regions as the coefficients of a linear model over random coalitions.",
       .formula = "argmin_phi sum_S k(S) (g(S) - g(0) - sum of phi_i in S)^2 with sum_i phi_i = g(x) - g(b)",
       .cost = "coalitions + 2; less where coalitions repeat",
       .guarantees = "Sampled, with a standard error. Sums to score - score of the baseline at any budget.",
       .source = "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, NeurIPS 2017",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(
          OptionRows<Options>{option("coalitions", &Options::coalitions, "coalitions drawn: the forwards", at_least(2)),
                              sizes_row<Options>(),
                              option("paired", &Options::paired, "draw every coalition with its complement"),
                              option("ridge", &Options::ridge, "shrink towards equal shares, as cross-validation says"),
                              option("seed", &Options::seed, "of the coalitions")} +
          region_rows<Options>(most_regressed_side) + settle_rows<Options>()),
      kernel_shap, cost);
  return definition;
}

}  // namespace

const MethodEntry& kernel_shap_method() { return definition(); }

std::vector<Explanation> kernel_shap(const Scorer& scorer, const Tensor& inputs, const KernelShapOptions& options,
                                     const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> kernel_shap(const Model& model, const Image& image, const std::string& target,
                                     const KernelShapOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return kernel_shap(probe, input, options); });
}

}  // namespace vitrail
