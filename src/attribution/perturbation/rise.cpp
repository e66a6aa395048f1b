#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/rise.h>

#include <algorithm>
#include <functional>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/moments.h"
#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/regression.h"
#include "attribution/perturbation/rise_sums.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

RiseDesign design_of(const RiseOptions& options) {
  return {options.grid, options.keep, options.seed, options.antithetic};
}

int64_t masks_a_unit(const RiseOptions& options) { return options.antithetic ? 2 : 1; }

int64_t units_of(const RiseOptions& options) {
  return (options.masks + masks_a_unit(options) - 1) / masks_a_unit(options);
}

/// Values [T,H,W] with their standard errors.
struct RiseMaps {
  Tensor value, standard_error;
};

/// The published read-out: the mean of the masks, weighted by their scores.
class MeanReadout {
 public:
  MeanReadout(int64_t targets, int64_t height, int64_t width, bool in_pairs)
      : sums_(targets, height, width, in_pairs) {}

  void add(const Tensor& masks, const Tensor&, const Tensor& scores) { sums_.add(masks, scores); }
  RiseMaps maps() const { return {sums_.value(), sums_.standard_error()}; }

 private:
  RiseSums sums_;
};

/// g ~ a + sum_c b_c (P_c - keep), with P_c the mean of a mask over cell c. The mean read-out's limit is then
/// E g + Cov(g, M(p)) / keep = a + (1 - keep) sum_c b_c cov_c(p), with the exact covariances of the masks.
class LinearReadout {
 public:
  LinearReadout(const RiseOptions& options, int64_t targets, int64_t height, int64_t width)
      : keep_(options.keep),
        grid_(options.grid),
        rows_(rise_covariance(grid_, height)),
        columns_(rise_covariance(grid_, width)),
        sums_(1, grid_ * grid_, targets, masks_a_unit(options)) {}

  void add(const Tensor&, const Tensor& means, const Tensor& scores) {
    const Tensor p = means.flatten(1);
    sums_.add(p.new_ones({p.size(0), 1}), p - keep_, scores);
  }

  int64_t groups() const { return std::min(sums_.units(), RegressionSums::groups); }

  RiseMaps maps() const {
    return read([](const Tensor& map) { return map; });
  }

  /// The maps' means over the cells.
  CellEstimate cells() const {
    const RiseMaps maps = read([&](const Tensor& map) { return cell_means(map, grid_); });
    return {maps.value.flatten(1).t(), maps.standard_error.flatten(1).t()};
  }

 private:
  template <class Reduce>
  RiseMaps read(const Reduce& reduce) const {
    const RegressionFit fit = sums_.fit();
    const auto map = [&](const Tensor& b, const Tensor& a) {  // [p,T], [1,T]
      const Tensor cells = b.t().reshape({-1, grid_, grid_});
      const Tensor spread = at::matmul(at::matmul(rows_.t(), cells), columns_) * (1 - keep_);
      return reduce(spread + a.reshape({-1, 1, 1}));
    };
    const Tensor value = map(fit.coefficients, fit.nuisances);
    RunningMoments without{at::zeros_like(value), at::zeros_like(value)};  // the jackknife, a map at a time
    for (int64_t g = 0; g < fit.without.size(0); ++g) without.add(map(fit.without[g], fit.nuisances_without[g]));
    const auto n = static_cast<double>(without.count);
    return {value, (without.squares * ((n - 1) / n)).sqrt()};
  }

  double keep_;
  int64_t grid_;
  Tensor rows_, columns_;  // [grid,height], [grid,width]
  RegressionSums sums_;
};

CellEstimate mean_of_cells(const RiseSums& cells) {
  return {cells.value().flatten(1).t(), cells.standard_error().flatten(1).t()};
}

void warn_of_masks(MethodRun& run, const RiseSums& cells, int64_t wanted) {
  const int64_t done = cells.masks() + cells.left_out();
  if (run.stopped()) run.warn("Stopped after " + std::to_string(done) + " of " + std::to_string(wanted) + " masks.");
  if (cells.left_out() > 0)
    run.warn(std::to_string(cells.left_out()) + " of " + std::to_string(done) +
             " masked images got a score that is not finite and were left out.");
}

using Settled = std::function<bool(int64_t units)>;

/// `cells` get the means of the masks over the cells: what does not need pixels is read off them. Without `settled`
/// nobody looks before the last mask.
template <class Readout>
void sample(MethodRun& run, const Fill& fill, const RiseOptions& options, Readout& readout, RiseSums& cells,
            const Settled& settled) {
  const int64_t size = masks_a_unit(options);
  LookSchedule looks(40);
  int64_t done = 0;
  const auto wanted = [&] {
    const int64_t left = units_of(options) - done;
    return settled ? std::min(left, looks.until_next(done)) : left;
  };
  while (const int64_t n = run.next_chunk(wanted(), size)) {
    const Tensor masks = rise_masks(done * size, n * size, design_of(options), run.height(), run.width());
    std::vector<int64_t> numbers(static_cast<size_t>(n * size));
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = done + static_cast<int64_t>(i) / size;
    const Tensor scores = run.score(apply_masks(run.input(), fill.values(masks, numbers), masks));
    const Tensor means = cell_means(masks.squeeze(1).to(at::kDouble), options.grid);
    cells.add(means.unsqueeze(1), scores);
    readout.add(masks, means, scores);
    done += n;
    if (settled && looks.is_due(done) && settled(done)) break;
  }
  warn_of_masks(run, cells, units_of(options) * size);
}

void fill_maps(MethodRun& run, const RiseMaps& maps, const RiseSums& cells, const SettleRule& rule) {
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& result = run.results()[static_cast<size_t>(t)];
    const double mean = cells.mean_scores()[t].item<double>(), deviation = cells.score_deviations()[t].item<double>();
    result.map = maps.value[t];
    result.standard_error = maps.standard_error[t];
    result.plan["masks"] = std::to_string(cells.masks());
    result.plan["mean_score"] = write_value(mean);
    if (rule.is_asked()) result.plan["settled"] = rule.verdict();
    if (cells.masks() > 1 && deviation <= rounding_noise * std::abs(mean)) {
      result.map = at::full_like(result.map, mean);
      result.warnings.push_back("The model is constant under masks: the map shows no difference between pixels.");
    }
  }
}

void explain_input(MethodRun& run, const Scorer& scorer, const RiseOptions& options) {
  const Fill fill(options.baseline, run.input(), scorer);
  RiseSums cells(run.targets(), options.grid, options.grid, options.antithetic);
  SettleRule rule(options.tolerance, options.top);
  if (options.readout == RiseReadout::mean) {
    MeanReadout readout(run.targets(), run.height(), run.width(), options.antithetic);
    const Settled settled = [&](int64_t units) { return rule.settled(mean_of_cells(cells), units); };
    sample(run, fill, options, readout, cells, rule.is_asked() ? settled : nullptr);
    return fill_maps(run, readout.maps(), cells, rule);
  }
  LinearReadout readout(options, run.targets(), run.height(), run.width());
  const Settled settled = [&](int64_t) { return cells.masks() > 1 && rule.settled(readout.cells(), readout.groups()); };
  sample(run, fill, options, readout, cells, rule.is_asked() ? settled : nullptr);
  if (cells.masks() > 1) return fill_maps(run, readout.maps(), cells, rule);
  const Tensor zeros = at::zeros({run.targets(), run.height(), run.width()}, at::kDouble);
  fill_maps(run, {zeros + cells.mean_scores().view({-1, 1, 1}), zeros}, cells, rule);
}

Method::Cost cost(const RiseOptions& options, int64_t, int64_t, int64_t) {
  return {.forwards = units_of(options) * masks_a_unit(options)};
}

const MethodDefinition<RiseOptions, Scorer>& definition() {
  using Options = RiseOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "rise",
       .family = "perturbation",
       .summary = "Shows random parts of the image and gives each pixel the mean score of the images that show it.",
       .formula = "sum_m g(x M_m + (1 - M_m) b) M_m / sum_m M_m, M_m random masks",
       .cost = "masks",
       .guarantees = "Sampled, with a standard error. For a linear score the limit is affine in w_i x_i.",
       .source = "Petsiuk, Das, Saenko: RISE, BMVC 2018",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "logit"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("masks", &Options::masks, "masks drawn: the forwards", at_least(1)),
              option("grid", &Options::grid, "cells along a side of a mask",
                     between(1, static_cast<double>(most_regressed_side))),
              option("keep", &Options::keep, "probability that a cell is shown", between(0.01, 0.99)),
              choice("readout", &Options::readout, "a linear model of the score, or the mean of the masks",
                     {{"least_squares", RiseReadout::least_squares}, {"mean", RiseReadout::mean}}),
              option("antithetic", &Options::antithetic, "masks in pairs of opposed bits"),
              option("seed", &Options::seed, "of the masks"), option("baseline", &Options::baseline, baseline_words)} +
          settle_rows<Options>()),
      rise, cost);
  return definition;
}

}  // namespace

const MethodEntry& rise_method() { return definition(); }

std::vector<Explanation> rise(const Scorer& scorer, const Tensor& inputs, const RiseOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> rise(const Model& model, const Image& image, const std::string& target,
                              const RiseOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return rise(probe, input, options); });
}

}  // namespace vitrail
