#include <vitrail/mu_fidelity.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attribution/perturbation/shared_options.h"
#include "evaluation/fidelity/subsets.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

template <class Draw>
Tensor draw_subsets(int64_t count, const Draw& draw) {
  Tensors subsets;
  for (int64_t i = 0; i < count; ++i) subsets.push_back(draw(static_cast<uint64_t>(i)));
  return at::stack(subsets);
}

MetricScore correlation_score(double value, const CaseRun& run) {
  MetricScore score = std::isnan(value) ? undefined_score(kConstantDrops) : MetricScore{.value = value};
  score.forwards = run.forwards();
  return score;
}

template <class Options>
Option<Options> correlation_row() {
  return choice("correlation", &Options::correlation, "of ranks (spearman) or of values (pearson)",
                {{"spearman", Correlation::spearman}, {"pearson", Correlation::pearson}});
}

/// What the three share: how subsets are hidden and correlated.
template <class Options>
OptionRows<Options> subset_rows() {
  return {option("subsets", &Options::subsets, "subsets drawn: the forwards (of a size)", at_least(3)),
          correlation_row<Options>(), option("baseline", &Options::baseline, baseline_words),
          activation_row<Options>(&Options::activation), option("seed", &Options::seed, "of the subsets")};
}

const MetricDefinition<MuFidelityOptions>& mu_definition() {
  using Options = MuFidelityOptions;
  static const MetricDefinition<Options> definition(
      {.name = "mu_fidelity",
       .family = "fidelity",
       .summary = "Correlates what a map says of random cells with the drop of the score when they are hidden.",
       .formula = "corr over S (sum of phi over S, g(x) - g(x with S hidden))",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "-1 to 1",
       .cost = "subsets + 1",
       .source = "Bhatt, Weller, Moura, IJCAI 2020; Fel, Vigouroux, Cadene, Serre, WACV 2022"},
      OptionTable<Options>(
          subset_rows<Options>() +
          OptionRows<Options>{option("grid", &Options::grid, "cells along a side", between(2, 64)),
                              option("share", &Options::share, "of the cells that a subset has", between(0.001, 0.999)),
                              choice("rule", &Options::rule, "every cell by chance, or a fixed number of cells",
                                     {{"bernoulli", SubsetRule::bernoulli}, {"fixed", SubsetRule::fixed}})}),
      mu_fidelity);
  return definition;
}

const MetricDefinition<FaithfulnessCorrelationOptions>& faithfulness_definition() {
  using Options = FaithfulnessCorrelationOptions;
  static const MetricDefinition<Options> definition(
      {.name = "faithfulness_correlation",
       .family = "fidelity",
       .summary = "Correlates what a map says of random pixels with the drop of the score when they are hidden.",
       .formula = "corr over S (sum of phi over S, g(x) - g(x with S hidden)), |S| = size",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "-1 to 1",
       .cost = "subsets + 1",
       .source = "Bhatt, Weller, Moura, IJCAI 2020"},
      OptionTable<Options>(subset_rows<Options>() +
                           OptionRows<Options>{option("size", &Options::size, "pixels of a subset", at_least(1))}),
      faithfulness_correlation);
  return definition;
}

const MetricDefinition<SensitivityNOptions>& sensitivity_definition() {
  using Options = SensitivityNOptions;
  static const MetricDefinition<Options> definition(
      {.name = "sensitivity_n",
       .family = "fidelity",
       .summary = "The same correlation for subsets of several sizes: its mean and its curve.",
       .formula = "mean over n of corr over |S| = n (sum of phi over S, g(x) - g(x with S hidden))",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "-1 to 1",
       .curve = "share of the pixels in a subset",
       .cost = "sizes x subsets + 1",
       .source = "Ancona, Ceolini, Oeztireli, Gross, ICLR 2018"},
      OptionTable<Options>(
          subset_rows<Options>() +
          OptionRows<Options>{
              option("sizes", &Options::sizes, "sizes of subsets", at_least(1)),
              option("most", &Options::most, "share of the pixels that the largest subsets have", between(0.001, 1))}),
      sensitivity_n);
  return definition;
}

}  // namespace

const MetricEntry& mu_fidelity_metric() { return mu_definition(); }
const MetricEntry& faithfulness_correlation_metric() { return faithfulness_definition(); }
const MetricEntry& sensitivity_n_metric() { return sensitivity_definition(); }

MetricScore mu_fidelity(const MetricCase& map, const MuFidelityOptions& options) {
  return mu_definition().run(map, options, [&] {
    const int64_t count = options.grid * options.grid, height = map.map.size(0), width = map.map.size(1);
    if (options.grid > std::min(height, width))
      throw UsageError("mu_fidelity: found grid=" + std::to_string(options.grid) + " for a map of " +
                       std::to_string(height) + " x " + std::to_string(width) + "; a cell has at least one pixel.");
    const auto size = static_cast<int64_t>(options.share * static_cast<double>(count));
    const Tensor subsets = draw_subsets(options.subsets, [&](uint64_t index) {
      return options.rule == SubsetRule::fixed ? draw_fixed(count, size, options.seed, index)
                                               : draw_bernoulli(count, options.share, options.seed, index);
    });
    const Tensor cells = cells_of_grid(height, width, options.grid);
    CaseRun run(map, options.activation);
    const Fill fill(options.baseline, map.input, run.scorer());
    return correlation_score(correlate(sums_over(map.map, cells, subsets),
                                       drops_of(run, fill, map.input, cells, subsets), options.correlation),
                             run);
  });
}

namespace {

/// The correlation over random subsets of so many pixels. Those of different sizes have different `first` numbers.
double correlation_at(CaseRun& run, const Fill& fill, const MetricCase& map, int64_t size, int64_t subsets,
                      Correlation kind, uint64_t seed, uint64_t first) {
  const int64_t pixels = map.map.numel();
  const Tensor drawn =
      draw_subsets(subsets, [&](uint64_t index) { return draw_fixed(pixels, size, seed, first + index); });
  const Tensor cells = at::arange(pixels);
  return correlate(sums_over(map.map, cells, drawn), drops_of(run, fill, map.input, cells, drawn), kind);
}

}  // namespace

MetricScore faithfulness_correlation(const MetricCase& map, const FaithfulnessCorrelationOptions& options) {
  return faithfulness_definition().run(map, options, [&] {
    if (options.size >= map.map.numel())
      return undefined_score("subsets of " + std::to_string(options.size) + " pixels are all of the " +
                             std::to_string(map.map.numel()) + " pixels there are");
    CaseRun run(map, options.activation);
    const Fill fill(options.baseline, map.input, run.scorer());
    return correlation_score(
        correlation_at(run, fill, map, options.size, options.subsets, options.correlation, options.seed, 0), run);
  });
}

MetricScore sensitivity_n(const MetricCase& map, const SensitivityNOptions& options) {
  return sensitivity_definition().run(map, options, [&] {
    CaseRun run(map, options.activation);
    const Fill fill(options.baseline, map.input, run.scorer());
    const auto pixels = static_cast<double>(map.map.numel());
    std::vector<double> shares, correlations;
    double sum = 0;
    int64_t known = 0;
    for (int64_t k = 1; k <= options.sizes; ++k) {
      const double share = options.most * static_cast<double>(k) / static_cast<double>(options.sizes);
      const auto size = std::max<int64_t>(1, static_cast<int64_t>(share * pixels));
      shares.push_back(static_cast<double>(size) / pixels);
      correlations.push_back(correlation_at(run, fill, map, size, options.subsets, options.correlation, options.seed,
                                            static_cast<uint64_t>((k - 1) * options.subsets)));
      if (std::isnan(correlations.back())) continue;
      sum += correlations.back();
      ++known;
    }
    MetricScore score = correlation_score(sum / static_cast<double>(known), run);
    score.curve_x = at::tensor(shares, at::kDouble);
    score.curve_y = at::tensor(correlations, at::kDouble);
    return score;
  });
}

}  // namespace vitrail
