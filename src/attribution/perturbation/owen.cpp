#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/shapley.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/halves.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// A part of the image among some neighbours: `shown` are the regions outside of it that show. Context number c has a
/// binary digit for each half that was split off on the way down to the part, 1 where the other half shows.
struct Item {
  size_t part;
  uint64_t context;
  Tensor shown;  ///< [d]
};

/// Places of contexts of `digits` digits in the order of scoring: opposed contexts together, and every beginning spread
/// evenly (digits reversed).
uint64_t place_of(uint64_t context, int64_t digits) {
  if (digits == 0) return 0;
  const uint64_t opposite = ~context & ((uint64_t{1} << digits) - 1), pair = std::min(context, opposite);
  uint64_t reversed = 0;
  for (int64_t digit = 0; digit < digits - 1; ++digit) reversed = reversed << 1 | (pair >> digit & 1);
  return 2 * reversed + (context == pair ? 0 : 1);
}

/// What the contexts done so far say of a part: by how much its first half outweighs its second.
struct Split {
  Tensor excess;  ///< [T], summed over contexts
  int64_t contexts = 0;
};

class OwenTree {
 public:
  OwenTree(MethodRun& run, CoalitionScorer& scorer, std::vector<Part> parts)
      : run_(run), scorer_(scorer), parts_(std::move(parts)), splits_(parts_.size()) {}

  /// Scores up to `budget` coalitions; returns how many.
  int64_t grow(int64_t budget) {
    std::vector<Item> level;
    if (!parts_[0].is_region()) level.push_back({0, 0, at::zeros({scorer_.regions()}, at::kDouble)});
    int64_t done = 0;
    for (int64_t digits = 0; !level.empty() && done + 2 <= budget; ++digits) {
      std::stable_sort(level.begin(), level.end(), [&](const Item& a, const Item& b) {
        return place_of(a.context, digits) < place_of(b.context, digits);
      });
      std::vector<Item> next;
      const auto wanted = std::min(static_cast<int64_t>(level.size()), (budget - done) / 2);
      const int64_t split = split_items(level, wanted, done / 2, next);
      done += 2 * split;
      if (split < static_cast<int64_t>(level.size())) break;
      level = std::move(next);
    }
    return done;
  }

  /// Values [d,T]: the whole difference, handed down half by half.
  Tensor values(const Tensor& difference) const {
    Tensor values = at::zeros({scorer_.regions(), difference.size(0)}, at::kDouble);
    hand_down(0, difference, values);
    return values;
  }

 private:
  int64_t split_items(const std::vector<Item>& level, int64_t wanted, int64_t done, std::vector<Item>& next) {
    CoalitionUnits units;
    units.count = wanted;
    units.numbers = [&](int64_t unit) { return std::vector<int64_t>(2, done + unit); };
    units.draw = [&](int64_t unit) {
      const Item& item = level[static_cast<size_t>(unit)];
      const Part& part = parts_[item.part];
      return at::stack({shown_with(item.shown, part.first), shown_with(item.shown, part.second)});
    };
    units.add = [&](int64_t first, const Tensor& shown, const Tensor& scores) {
      for (int64_t i = 0; i < scores.size(0) / 2; ++i)
        split_item(level[static_cast<size_t>(first + i)], shown[2 * i], shown[2 * i + 1],
                   scores[2 * i] - scores[2 * i + 1], next);
    };
    return score_units(run_, scorer_, units);
  }

  Tensor shown_with(const Tensor& shown, size_t part) const {
    Tensor more = shown.clone();
    for (const int64_t region : parts_[part].regions) more[region] = 1;
    return more;
  }

  /// `excess`: the score with the first half shown alone less that with the second.
  void split_item(const Item& item, const Tensor& first_shown, const Tensor& second_shown, const Tensor& excess,
                  std::vector<Item>& next) {
    const Part& part = parts_[item.part];
    Split& split = splits_[item.part];
    split.excess = split.contexts == 0 ? excess : split.excess + excess;
    ++split.contexts;
    const uint64_t hidden = item.context << 1, shown = hidden | 1;
    if (!parts_[part.first].is_region()) {
      next.push_back({part.first, hidden, item.shown});
      next.push_back({part.first, shown, second_shown});
    }
    if (!parts_[part.second].is_region()) {
      next.push_back({part.second, hidden, item.shown});
      next.push_back({part.second, shown, first_shown});
    }
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
             " evaluations: parts that were not halved share their value equally.");
  const Tensor difference = all[0] - none.mean(0), values = tree.values(difference);
  const CellEstimate estimate{at::where(scorer.is_constant(), values.new_zeros({}), values), {}};
  fill_results(run, perturber, estimate);
  fill_completeness(run, estimate, difference);
  for (Explanation& result : run.results()) result.plan["evaluations"] = std::to_string(done);
}

Method::Cost cost(const OwenOptions& options, int64_t, int64_t, int64_t) {
  return {.forwards = 2 + std::min(options.evaluations / 2 * 2, owen_evaluations(options.grid))};
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
