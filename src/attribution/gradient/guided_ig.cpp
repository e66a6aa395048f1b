#include <vitrail/guided_ig.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attribution/explain_image.h"
#include "attribution/gradient/path_sum.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = GuidedIgOptions;

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  const int64_t gradients = (options.steps + 1) * targets;
  return {1 + gradients, gradients};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "guided_ig",
       .family = "gradient",
       .summary = "Integrated gradients on a path that moves the pixels of the smallest derivative first.",
       .formula =
           "sum over channels of the integral of dg/dx along a path that moves the features of least |dg/dx| first",
       .cost = "1 + (steps + 1) targets forwards, (steps + 1) targets backwards",
       .guarantees = "completeness: the map adds up to score - score(baseline) within the reported gap",
       .source = "Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi: Guided Integrated Gradients, CVPR 2021",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("steps", &Options::steps, "steps of the path", at_least(1)),
          option("fraction", &Options::fraction, "share of the values that move at once", between(0.001, 1)),
          option("max_distance", &Options::max_distance, "from the straight path, as a share of each value's way",
                 between(0, 1)),
          option("baseline", &Options::baseline,
                 "where the path starts: zero, black, white, a pixel value, mean, blur, noise, uniform or dataset:DIR"),
      }),
      guided_ig, cost);
  return definition;
}

/// The path of one target. A value is where it is on its own way: 0 at the baseline, 1 at the input.
class GuidedPath {
 public:
  GuidedPath(const Tensor& baseline, const Tensor& input, const Options& options)
      : baseline_(baseline.to(at::kDouble)),
        way_(input.to(at::kDouble) - baseline_),
        moves_(at::isfinite(way_).logical_and(way_ != 0)),
        length_(at::where(moves_, way_.abs(), 0)),
        progress_(at::where(moves_, at::zeros_like(way_), 1)),
        options_(options) {}

  Tensor point() const { return baseline_ + way_ * progress_; }

  /// On to where the distance left is what the schedule says of step k, slow values first.
  void step(int64_t k, const Tensor& gradient) {
    const double schedule = static_cast<double>(k + 1) / static_cast<double>(options_.steps);
    const double last = std::min(1., schedule + options_.max_distance);
    progress_ = progress_.clamp_min(std::max(0., schedule - options_.max_distance));
    const double whole = length_.sum().item<double>(), wanted = whole * (1 - schedule);
    const Tensor size = gradient.abs().to(at::kDouble);
    // Every pass moves a share of all values, those that have arrived aside.
    for (auto pass = static_cast<int64_t>(1 / options_.fraction) + 2; pass > 0; --pass) {
      const double left = (length_ * (1 - progress_)).sum().item<double>();
      if (left - wanted <= 1e-9 * whole) return;
      const Tensor open = moves_.logical_and(progress_ < last);
      const Tensor chosen = slowest(size, open);
      const double gain = at::where(chosen, length_ * (last - progress_), 0).sum().item<double>();
      if (!(gain > 0)) return;
      const double share = std::min(1., (left - wanted) / gain);
      progress_ = at::where(chosen, progress_ + (last - progress_) * share, progress_);
    }
  }

 private:
  /// Among the open values those whose derivative is no larger than that of the quantile `fraction` of all.
  Tensor slowest(const Tensor& size, const Tensor& open) const {
    const Tensor ranked = at::where(open, size, std::numeric_limits<double>::infinity()).flatten();
    const auto place = static_cast<int64_t>(options_.fraction * static_cast<double>(ranked.numel() - 1));
    const double threshold = std::get<0>(ranked.kthvalue(place + 1)).item<double>();
    return open.logical_and(size <= threshold);
  }

  Tensor baseline_, way_, moves_, length_, progress_;
  const Options& options_;
};

void explain_input(MethodRun& run, const DifferentiableScorer& scorer, const Options& options) {
  const Tensor baseline = options.baseline.resolve(run.input(), scorer).expand_as(run.input());
  const auto targets = run.results().size();
  std::vector<GuidedPath> paths(targets, GuidedPath(baseline, run.input(), options));
  std::vector<PathSum> sums(targets);
  std::vector<double> first(targets);
  const Tensor scores = run.score(run.input().unsqueeze(0))[0];
  run.set_scores(scores);
  for (int64_t k = 0; k <= options.steps && !run.stopped(); ++k) {
    for (size_t t = 0; t < targets && run.next_chunk(1, 2) > 0; ++t) {
      // A path depends on its gradients by ranks: one point at a time, so that the batch cannot change them.
      std::vector<bool> wanted(targets, false);
      wanted[t] = true;
      const Tensor point = paths[t].point();
      const auto [values, gradients] =
          target_gradients(run, scorer, point.to(run.input().scalar_type()).unsqueeze(0), wanted);
      if (k == 0) first[t] = values[0][static_cast<int64_t>(t)].item<double>();
      sums[t].add(point, gradients[t][0]);
      if (k < options.steps) paths[t].step(k, gradients[t][0]);
    }
  }
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(sums[0].points()) + " of " + std::to_string(options.steps + 1) +
             " points: the map covers the part of the path next to the baseline.");
  for (size_t t = 0; t < targets; ++t) {
    Explanation& result = run.results()[t];
    const bool any = sums[t].points() > 0;
    result.map = any ? sums[t].total().sum(0) : at::zeros({run.height(), run.width()}, at::kDouble);
    if (run.stopped()) continue;
    const double rise = scores[static_cast<int64_t>(t)].item<double>() - first[t];
    result.completeness_gap = result.map.sum().item<double>() - rise;
  }
}

}  // namespace

const MethodEntry& guided_ig_method() { return definition(); }

std::vector<Explanation> guided_ig(const DifferentiableScorer& scorer, const Tensor& inputs, const Options& options,
                                   const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    explain_input(run, scorer, options);
  });
}

std::vector<Explanation> guided_ig(const Model& model, const Image& image, const std::string& target,
                                   const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return guided_ig(probe, input, options); });
}

}  // namespace vitrail
