#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/shapley.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/contexts.h"
#include "attribution/perturbation/halves.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// One half of a part against the other, in a context: binary digit i says whether the half beside the part, beside its
/// parent, ... (i levels up) shows.
struct Comparison {
  size_t part;
  uint64_t context;
};

/// What the contexts done so far say of a part: by how much its first half outweighs its second.
struct Split {
  Tensor excess;  ///< [T], summed over contexts
  int64_t contexts = 0;
};

constexpr int64_t most_neighbours = 62;  // no budget reaches the contexts of more: those farther away stay hidden

/// The comparisons that `evaluations` allow: two opposed contexts of every part, the whole image first, then two more
/// of every part that has more, and so on.
std::vector<Comparison> order_comparisons(const std::vector<Part>& parts, int64_t evaluations) {
  std::vector<ContextOrder> orders;  // by depth
  std::vector<Comparison> comparisons;
  for (uint64_t pair = 0;; ++pair) {
    bool has_more = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].is_region()) continue;
      const auto depth = static_cast<size_t>(std::min(parts[i].depth, most_neighbours));
      while (orders.size() <= depth) orders.emplace_back(static_cast<int64_t>(orders.size()));
      const ContextOrder& order = orders[depth];
      const uint64_t first = 2 * pair, end = std::min(first + 2, order.count());
      if (first >= end) continue;
      if (2 * static_cast<int64_t>(comparisons.size() + (end - first)) > evaluations) return comparisons;
      for (uint64_t number = first; number < end; ++number) comparisons.push_back({i, order[number]});
      has_more = true;
    }
    if (!has_more) return comparisons;
  }
}

class OwenTree {
 public:
  OwenTree(MethodRun& run, CoalitionScorer& scorer, std::vector<Part> parts)
      : run_(run), scorer_(scorer), parts_(std::move(parts)), above_(parts_.size()), splits_(parts_.size()) {
    for (size_t i = 0; i < parts_.size(); ++i)
      if (!parts_[i].is_region()) above_[parts_[i].first] = above_[parts_[i].second] = i;
  }

  /// Scores up to `evaluations` coalitions; returns how many.
  int64_t grow(int64_t evaluations) {
    const std::vector<Comparison> comparisons = order_comparisons(parts_, evaluations);
    CoalitionUnits units;
    units.count = static_cast<int64_t>(comparisons.size());
    units.draw = [&](int64_t unit) { return shown_by(comparisons[static_cast<size_t>(unit)]); };
    units.add = [&](int64_t first, const Tensor&, const Tensor& scores) {
      for (int64_t i = 0; i < scores.size(0) / 2; ++i) {
        Split& split = splits_[comparisons[static_cast<size_t>(first + i)].part];
        const Tensor excess = scores[2 * i] - scores[2 * i + 1];
        split.excess = split.contexts == 0 ? excess : split.excess + excess;
        ++split.contexts;
      }
    };
    return 2 * score_units(run_, scorer_, units);
  }

  /// Values [d,T]: the whole difference, handed down half by half.
  Tensor values(const Tensor& difference) const {
    Tensor values = at::zeros({scorer_.regions(), difference.size(0)}, at::kDouble);
    hand_down(0, difference, values);
    return values;
  }

 private:
  /// Coalitions [2,d]: the context with the first half, and with the second.
  Tensor shown_by(const Comparison& comparison) const {
    const Tensor shown = at::zeros({2, scorer_.regions()}, at::kDouble);
    const Part& part = parts_[comparison.part];
    show(part.first, shown[0]);
    show(part.second, shown[1]);
    uint64_t context = comparison.context;
    for (size_t i = comparison.part; context != 0; i = above_[i], context >>= 1) {
      if ((context & 1) == 0) continue;
      const Part& parent = parts_[above_[i]];
      const size_t beside = parent.first == i ? parent.second : parent.first;
      show(beside, shown[0]);
      show(beside, shown[1]);
    }
    return shown;
  }

  void show(size_t part, const Tensor& shown) const {
    for (const int64_t region : parts_[part].regions) shown.data_ptr<double>()[region] = 1;
  }

  /// In a context the first half adds y_first - y_none before the second and y_both - y_second after it: in the mean
  /// half of the part's difference y_both - y_none, and half of the excess y_first - y_second. The part's own value is
  /// known, from more contexts than the excess may be; so only the excess is a mean of what is done so far.
  void hand_down(size_t number, const Tensor& value, Tensor& values) const {
    const Part& part = parts_[number];
    if (splits_[number].contexts == 0) {
      for (const int64_t region : part.regions) values[region] = value / static_cast<double>(part.regions.size());
      return;
    }
    const Tensor excess = splits_[number].excess / static_cast<double>(splits_[number].contexts);
    hand_down(part.first, (value + excess) / 2, values);
    hand_down(part.second, (value - excess) / 2, values);
  }

  MethodRun& run_;
  CoalitionScorer& scorer_;
  std::vector<Part> parts_;
  std::vector<size_t> above_;  ///< the part that each is a half of
  std::vector<Split> splits_;
};

void explain_input(MethodRun& run, const Scorer& model, const OwenOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  CoalitionScorer scorer(run, perturber);
  const Tensor all = scorer.score_uniform(1), none = scorer.score_uniform(0);
  if (all.size(0) == 0 || none.size(0) == 0) {
    run.warn("Stopped before the image and its baseline were scored: nothing is known and the map is zero.");
    return fill_results(run, perturber, {at::zeros({perturber.cells(), run.targets()}, at::kDouble), {}});
  }
  run.set_scores(all[0]);
  OwenTree tree(run, scorer, halve(perturber.regions()));
  const int64_t done = tree.grow(options.evaluations);
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(done) + " of at most " + std::to_string(options.evaluations) +
             " evaluations: halves are weighed by what was scored, the regions of parts that were not halved share "
             "their value equally.");
  const Tensor difference = all[0] - none.mean(0), values = tree.values(difference);
  const CellEstimate estimate{at::where(scorer.is_constant(), values.new_zeros({}), values), {}};
  fill_results(run, perturber, estimate);
  fill_completeness(run, estimate, difference);
  for (Explanation& result : run.results()) result.plan["evaluations"] = std::to_string(done);
}

Method::Cost cost(const OwenOptions& options, int64_t, int64_t, int64_t) {
  const int64_t cells = options.grid * options.grid;
  const LabelMap grid{at::arange(cells, at::kLong).view({options.grid, options.grid}), cells, true};
  const auto comparisons = order_comparisons(halve(grid), options.evaluations);
  return {.forwards = 2 + 2 * static_cast<int64_t>(comparisons.size())};
}

const MethodDefinition<OwenOptions, Scorer>& definition() {
  using Options = OwenOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "owen",
       .family = "perturbation",
       .summary = "Owen values: what halves of the image add, and halves of the halves, down to regions.",
       .formula =
           "phi_i = mean over the orders that keep halves together of g(those before i, and i) - g(those before i)",
       .cost = "evaluations + 2; at most 2730 + 2 for 64 regions",
       .guarantees =
           "Deterministic; exact with enough evaluations. Sums to score - score of the baseline at any budget.",
       .source = "Owen: Values of Games with a Priori Unions, 1977; SHAP's Partition explainer",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(OptionRows<Options>{option("evaluations", &Options::evaluations,
                                                      "coalitions scored at most: the forwards", at_least(2))} +
                           region_rows<Options>()),
      owen, cost);
  return definition;
}

}  // namespace

const MethodEntry& owen_method() { return definition(); }

std::vector<Explanation> owen(const Scorer& scorer, const Tensor& inputs, const OwenOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> owen(const Model& model, const Image& image, const std::string& target,
                              const OwenOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return owen(probe, input, options); });
}

}  // namespace vitrail
