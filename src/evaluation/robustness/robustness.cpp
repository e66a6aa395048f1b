#include <vitrail/robustness.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/tensor.h>
#include <vitrail/graph.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attribution/maps.h"
#include "attribution/random.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

constexpr int kLevels = 4;         ///< sizes tried at once
constexpr int kMostRounds = 8;     ///< of the search
constexpr double kPrecise = 1.05;  ///< ratio of the least success to the largest failure at which it ends

/// Sizes between a failure and a success, rising, by equal ratios; below a success without a failure, by quarters.
std::vector<double> levels_between(double low, double high) {
  std::vector<double> levels;
  for (int k = 1; k <= kLevels; ++k)
    levels.push_back(low > 0 ? low * std::pow(high / low, k / (kLevels + 1.0)) : high * std::pow(4.0, k - kLevels - 1));
  return levels;
}

/// [n] -> [n,1,1,1]
Tensor each(const Tensor& values) { return values.view({-1, 1, 1, 1}); }

/// Looks for changes of the pixels in `allowed` that make another class win.
class Attack {
 public:
  Attack(const MetricCase& map, const Tensor& allowed, const RobustnessOptions& options)
      : map_(map), allowed_(allowed.to(map.input.dtype())), options_(options) {}

  /// The least size at which an attack was found to succeed; NaN where none did.
  double least_size() {
    double low = 0, high = largest();
    if (!succeeds(at::tensor({high}, at::kDouble))[0].item<bool>()) return std::numeric_limits<double>::quiet_NaN();
    for (int round = 0; round < kMostRounds && high > kPrecise * low; ++round) {
      const std::vector<double> levels = levels_between(low, high);
      const Tensor found = succeeds(at::tensor(levels, at::kDouble));
      // The smallest success, and the largest failure below it.
      for (size_t k = 0; k < levels.size(); ++k) {
        if (found[static_cast<int64_t>(k)].item<bool>()) {
          high = levels[k];
          break;
        }
        low = levels[k];
      }
    }
    return high;
  }

  int64_t samples() const { return samples_; }

 private:
  /// A change of every allowed pixel through the whole range of the input.
  double largest() const {
    const double range = range_of(map_.input);
    const double pixels = allowed_.sum().item<double>() * static_cast<double>(map_.input.size(0));
    return options_.norm == Norm::linf ? range : range * std::sqrt(pixels);
  }

  /// For every size, bool [n]: whether one of the starts led to another class.
  Tensor succeeds(const Tensor& sizes) {
    const int64_t count = sizes.numel() * options_.restarts;
    const Tensor size = each(sizes.repeat_interleave(options_.restarts).to(map_.input.dtype()));
    Tensor change = project(start(count) * size, size), found;
    for (int64_t step = 0; step <= options_.steps; ++step) {
      if (map_.execution.cancelled && map_.execution.cancelled->load()) throw CancelledError();
      change = change.detach().requires_grad_(true);
      const Tensor margin = margin_of(change), won = margin.detach() < 0;
      found = found.defined() ? found.logical_or(won) : won;
      if (step == options_.steps || found.all().item<bool>()) break;
      const Tensor slope = gradient({margin.sum()}, {change})[0] * allowed_;
      const Tensor direction = options_.norm == Norm::linf ? slope.sign() : slope / (norm(slope) + 1e-30);
      change = project(change.detach() - direction * size * (2.5 / static_cast<double>(options_.steps)), size);
    }
    return found.view({sizes.numel(), options_.restarts}).any(1);
  }

  /// Random points of the unit ball, the first start of every size its middle.
  Tensor start(int64_t count) const {
    Tensor points = at::empty({count, map_.input.size(0), map_.input.size(1), map_.input.size(2)}, at::kFloat);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t restart = i % options_.restarts;
      Random random(options_.seed, RandomStream::noise, static_cast<uint64_t>(restart));
      random.fill_normal(
          {points.mutable_data_ptr<float>() + i * map_.input.numel(), static_cast<size_t>(map_.input.numel())});
      if (restart == 0) points[i].zero_();
    }
    return points.to(map_.input.dtype());
  }

  Tensor norm(const Tensor& change) const { return each(change.flatten(1).norm(2, 1)); }

  Tensor project(const Tensor& change, const Tensor& size) const {
    const Tensor inside = change * allowed_;
    if (options_.norm == Norm::linf) return at::maximum(at::minimum(inside, size), -size);
    return inside * (size / (norm(inside) + 1e-30)).clamp_max(1);
  }

  /// Logit of the class less the largest other one: below 0 another class wins. [n]
  Tensor margin_of(const Tensor& change) {
    samples_ += change.size(0);
    const Tensor logits = map_.model->outputs(map_.input.unsqueeze(0) + change).scores;
    const int64_t own = map_.target.index;
    const Tensor others = at::cat({logits.narrow(1, 0, own), logits.narrow(1, own + 1, logits.size(1) - own - 1)}, 1);
    return logits.select(1, own) - others.amax(1);
  }

  const MetricCase& map_;
  Tensor allowed_;  ///< [H,W], 0 or 1
  const RobustnessOptions& options_;
  int64_t samples_ = 0;
};

const MetricDefinition<RobustnessOptions>& definition() {
  using Options = RobustnessOptions;
  static const MetricDefinition<Options> definition(
      {.name = "robustness",
       .family = "robustness",
       .summary = "The least change of the pixels that a map calls important that makes another class win.",
       .formula = "min |delta| with delta = 0 outside of S and argmax f(x + delta) another class, S by the map",
       .direction = Direction::lower,
       .evidence = Evidence::model,
       .range = "0 and more, in the model's input space",
       .curve = "share of the pixels that may change",
       .cost = "about sizes x 17 restarts x (steps + 1) forwards and backwards",
       .source = "Hsieh, Yeh, Liu, Ravikumar, Kim, Kumar, Hsieh, ICLR 2021"},
      OptionTable<Options>(
          {choice("pixels", &Options::pixels, "which may change",
                  {{"relevant", AttackedPixels::relevant}, {"others", AttackedPixels::others}}),
           option("sizes", &Options::sizes, "shares of the pixels, evenly spaced", at_least(1)),
           option("most", &Options::most, "the largest share", between(0.0001, 1)),
           choice("norm", &Options::norm, "of a change", {{"l2", Norm::l2}, {"linf", Norm::linf}}),
           option("steps", &Options::steps, "of one attack", at_least(1)),
           option("restarts", &Options::restarts, "starts of one attack, the first at the photo", at_least(1)),
           option("seed", &Options::seed, "of the starts")}),
      robustness, [](const Options& options) {
        return options.pixels == AttackedPixels::relevant ? Direction::lower : Direction::higher;
      });
  return definition;
}

}  // namespace

const MetricEntry& robustness_metric() { return definition(); }

MetricScore robustness(const MetricCase& map, const RobustnessOptions& options) {
  return definition().run(map, options, [&] {
    if (is_constant(map.map)) return undefined_score(kConstantMap);
    if (map.target.function || map.target.index < 0 || map.model->classes() < 2)
      return undefined_score("the target is not one of several classes");
    const Tensor ranks = pixel_ranks(map.map, Ties::index, 0);
    std::vector<double> shares, sizes;
    double sum = 0;
    int64_t samples = 0;
    for (int64_t k = 1; k <= options.sizes; ++k) {
      const double share = options.most * static_cast<double>(k) / static_cast<double>(options.sizes);
      const Tensor relevant = ranks < static_cast<int64_t>(std::ceil(share * static_cast<double>(ranks.numel())));
      Attack attack(map, options.pixels == AttackedPixels::relevant ? relevant : relevant.logical_not(), options);
      shares.push_back(share);
      sizes.push_back(attack.least_size());
      samples += attack.samples();
      sum += sizes.back();
    }
    MetricScore score;
    score.value = sum / static_cast<double>(options.sizes);
    if (std::isnan(score.value)) score.undefined = "no attack within the range of the input made another class win";
    score.curve_x = at::tensor(shares, at::kDouble);
    score.curve_y = at::tensor(sizes, at::kDouble);
    score.parts = {{"verified_low", 0}};
    score.forwards = samples;
    score.backwards = samples;
    return score;
  });
}

}  // namespace vitrail
