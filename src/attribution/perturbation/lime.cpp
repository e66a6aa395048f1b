#include <vitrail/lime.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/regression.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

/// Of each region, the share of the squared distance between image and hidden image that hiding it alone makes: [d].
Tensor distance_shares(const MethodRun& run, const Perturber& perturber) {
  const int64_t regions = perturber.cells();
  const Tensor squares = at::zeros({regions}, at::kDouble);
  for (int64_t i = 0; i < regions; ++i) {
    Tensor shown = at::zeros({1, regions}, at::kDouble) + 1;
    shown[0][i] = 0;
    const Tensor change = perturber.images(shown) - run.input();
    squares[i] = change.to(at::kDouble).nan_to_num(0, 0, 0).square().sum();
  }
  const double all = squares.sum().item<double>();
  return all > 0 ? squares / all : squares;
}

Tensor draw_shown(const LimeOptions& options, int64_t regions, int64_t unit) {
  const Random random(options.seed, RandomStream::coalition, static_cast<uint64_t>(unit));
  const Tensor shown = at::empty({options.antithetic ? 2 : 1, regions}, at::kDouble);
  auto bits = shown.accessor<double, 2>();
  for (int64_t i = 0; i < regions; ++i) {
    const double u = random.uniform_at(static_cast<uint64_t>(i));
    bits[0][i] = u < options.keep ? 1 : 0;
    if (options.antithetic) bits[1][i] = 1 - u <= options.keep ? 1 : 0;
  }
  return shown;
}

/// The weighted sums, and those in which all samples count alike, for when the weights vanish.
class LocalFit {
 public:
  LocalFit(const Tensor& shares, int64_t targets, const LimeOptions& options)
      : shares_(shares),
        width_(options.width),
        weighted_(1, shares.size(0), targets, options.antithetic ? 2 : 1),
        alike_(1, shares.size(0), targets, options.antithetic ? 2 : 1) {}

  void add(const Tensor& shown, const Tensor& scores) {
    const Tensor squared_distance = at::matmul(1 - shown, shares_);  // [n], of 1 where all is hidden
    const Tensor intercept = squared_distance.new_ones({shown.size(0), 1});
    weighted_.add(intercept, shown, scores, (squared_distance / (-width_ * width_)).exp());
    alike_.add(intercept, shown, scores);
  }

  bool weights_vanish() const { return weighted_.rows() > 0 && weighted_.weight() == 0; }
  const RegressionSums& sums() const { return weights_vanish() ? alike_ : weighted_; }
  int64_t groups() const { return std::min(weighted_.units(), RegressionSums::groups); }

 private:
  Tensor shares_;
  double width_;
  RegressionSums weighted_, alike_;
};

CellEstimate estimate(const RegressionFit& fit, const Tensor& is_constant) {
  const Tensor zero = fit.coefficients.new_zeros({});
  return {at::where(is_constant, zero, fit.coefficients), at::where(is_constant, zero, jackknife_error(fit.without)),
          is_constant};
}

void sample(MethodRun& run, CoalitionScorer& scorer, const LimeOptions& options, LocalFit& fit, SettleRule& rule) {
  CoalitionUnits units;
  units.count = options.antithetic ? (options.samples + 1) / 2 : options.samples;
  units.draw = [&](int64_t unit) { return draw_shown(options, scorer.regions(), unit); };
  units.add = [&](int64_t, const Tensor& shown, const Tensor& scores) { fit.add(shown, scores); };
  if (rule.is_asked())
    units.settled = [&](int64_t) {
      if (fit.sums().rows() < 2) return false;
      const RegressionFit now = fit.sums().fit(options.ridge);
      return rule.settled(estimate(now, scorer.is_constant()), fit.groups());
    };
  const int64_t done = score_units(run, scorer, units);
  warn_of_stop(run, done, units.count, options.antithetic ? "pairs of samples" : "samples");
  if (fit.sums().left_out() > 0)
    run.warn(std::to_string(fit.sums().left_out()) + " of " +
             std::to_string(fit.sums().left_out() + fit.sums().rows()) +
             " masked images got a score that is not finite and were left out.");
}

void explain_input(MethodRun& run, const Scorer& model, const LimeOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  CoalitionScorer scorer(run, perturber);
  SettleRule rule(options.tolerance, options.top);
  LocalFit fit(distance_shares(run, perturber), run.targets(), options);
  sample(run, scorer, options, fit, rule);
  if (fit.weights_vanish())
    run.warn("With width=" + write_value(options.width) +
             " the similarity of every sample to the image is 0 in double precision: all samples count alike. Use a "
             "larger width.");
  if (fit.sums().rows() < 2)
    return fill_results(run, perturber, nothing_known(perturber.cells(), run.targets()), {.verdict = rule.verdict()});
  const RegressionFit linear = fit.sums().fit(options.ridge);
  fill_results(run, perturber, estimate(linear, scorer.is_constant()), {.verdict = rule.verdict()});
  for (int64_t t = 0; t < run.targets(); ++t) {
    auto& plan = run.results()[static_cast<size_t>(t)].plan;
    plan["explained"] = write_value(linear.explained[t].item<double>());
    plan["effective_samples"] = write_value(fit.sums().effective_rows());
  }
}

Method::Cost cost(const LimeOptions& options, int64_t, int64_t, int64_t) {
  return {.forwards = options.antithetic ? (options.samples + 1) / 2 * 2 : options.samples};
}

const MethodDefinition<LimeOptions, Scorer>& definition() {
  using Options = LimeOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "lime",
       .family = "perturbation",
       .summary =
           "Coefficients of a linear model of the score over regions shown at random, near samples weighing more.",
       .formula = "argmin_w sum_n k(M_n) (g(x M_n + (1 - M_n) b) - w0 - w M_n)^2 + ridge |w|^2, M_n binary",
       .cost = "samples; less where coalitions repeat",
       .guarantees = "Sampled, with a standard error. For a linear score w_i x_i, shrunk by the ridge.",
       .source = "Ribeiro, Singh, Guestrin: \"Why Should I Trust You?\", KDD 2016",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("samples", &Options::samples, "coalitions drawn: the forwards", at_least(2)),
              option("keep", &Options::keep, "probability that a region shows", between(0.01, 0.99)),
              option("width", &Options::width,
                     "of the similarity, as a share of the distance of the image hidden as a whole", positive()),
              option("ridge", &Options::ridge, "penalty of the squared coefficients", at_least(0)),
              option("antithetic", &Options::antithetic, "samples in pairs of opposed masks"),
              option("seed", &Options::seed, "of the samples")} +
          region_rows<Options>(most_regressed_side) + settle_rows<Options>()),
      lime, cost);
  return definition;
}

}  // namespace

const MethodEntry& lime_method() { return definition(); }

std::vector<Explanation> lime(const Scorer& scorer, const Tensor& inputs, const LimeOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> lime(const Model& model, const Image& image, const std::string& target,
                              const LimeOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return lime(probe, input, options); });
}

}  // namespace vitrail
