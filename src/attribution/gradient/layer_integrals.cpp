#include <vitrail/layer_integrals.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <memory>

#include "attribution/explain_image.h"
#include "attribution/gradient/gauss_legendre.h"
#include "attribution/gradient/path_sum.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"
#include "attribution/method_kind.h"

namespace vitrail {

namespace {

using Options = LayerIntegralOptions;
using Definition = MethodDefinition<Options, Probe>;

OptionTable<Options> table() {
  return {{
      option("layer", &Options::layer, "layer or value name; auto: the last one with positions"),
      option("steps", &Options::steps, "on the path", at_least(1)),
      option("baseline", &Options::baseline,
             "where the path starts: zero, black, white, a pixel value, mean, blur, noise, uniform or dataset:DIR"),
  }};
}

template <int64_t more_forwards, int64_t more_backwards>
Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  return {options.steps + more_forwards, (options.steps + more_backwards) * targets};
}

MethodKind kind(const std::string& unit) { return {.family = "gradient", .access = Access::layer, .unit = unit}; }

const Definition& flow() {
  static const Definition definition(
      describe(kind("logit"), {.name = "conductance",
                               .summary = "What flows through each unit of a layer as the photo fades in.",
                               .formula = "integral over a in [0,1] of dg/dz * dz/da at b + a (x - b), z the layer",
                               .cost = "steps + 1 forwards, steps + 1 backwards behind the layer a target",
                               .guarantees = "completeness where nothing runs past the layer: adds up to score - "
                                             "score(baseline) within the reported gap",
                               .source = "Dhamdhere, Sundararajan, Yan: How Important Is a Neuron?, ICLR 2019"}),
      table(), conductance, cost<1, 1>);
  return definition;
}

const Definition& influence() {
  static const Definition definition(
      describe(kind("logit per layer unit"),
               {.name = "internal_influence",
                .summary = "The score's mean gradient at a layer as the photo fades in.",
                .formula = "integral over a in [0,1] of dg/dz(b + a (x - b)), z the layer",
                .cost = "1 + steps forwards, steps backwards behind the layer a target",
                .guarantees = "exact for scores linear behind the layer",
                .source = "Leino, Sen, Datta, Fredrikson, Li: Influence-Directed Explanations, ITC 2018"}),
      table(), internal_influence, cost<1, 0>);
  return definition;
}

const Definition& integrated() {
  static const Definition definition(
      describe(kind("logit"),
               {.name = "layer_ig",
                .summary = "Integrated gradients of a layer's values, from those of the baseline.",
                .formula = "(z(x) - z(b)) * integral over a in [0,1] of dg/dz(z(b) + a (z(x) - z(b))), z the layer",
                .cost = "2 + steps forwards, steps backwards behind the layer a target",
                .guarantees = "completeness where nothing runs past the layer: adds up to score - score(baseline) "
                              "within the reported gap",
                .source = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017"}),
      table(), layer_ig, cost<2, 0>);
  return definition;
}

std::string choose_layer(const Probe& probe, const std::string& method, const std::string& wanted) {
  if (wanted != "auto") return wanted;
  const auto layers = probe.spatial_layers();
  if (layers.empty())
    throw UsageError(method + ": the network has no layer with positions between input and output. Name one with " +
                     "layer=..., or use integrated_gradients.");
  return layers[0].name;
}

/// One input, its layer, and the way from the baseline.
struct Setting {
  const Probe& probe;
  std::string layer;
  std::unique_ptr<const Suffix> suffix;  ///< of the input
  Tensor baseline, way;                  ///< [C,H,W]

  Setting(MethodRun& run, const Probe& probe, const std::string& method, const Options& options)
      : probe(probe),
        layer(choose_layer(probe, method, options.layer)),
        suffix(probe.suffix(run.input().unsqueeze(0), layer)) {
    warn_of_flat_operators(run, probe);
    baseline = options.baseline.resolve(run.input(), probe).expand_as(run.input());
    way = run.input() - baseline;
  }

  Tensor points(const Tensor& places) const { return baseline + places.to(way.options()).view({-1, 1, 1, 1}) * way; }
};

struct LayerGradients {
  Tensor values;  ///< of the layer, [n,K,h,w]
  TargetGradients at;
};

/// The layer's values at `points` [n,C,H,W] and the gradients there.
LayerGradients gradients_at_layer(MethodRun& run, const Setting& setting, const Tensor& points) {
  const auto suffix = setting.probe.suffix(points, setting.layer);
  const at::AutoGradMode recording(true);
  const Tensor leaf = suffix->activation().detach().requires_grad_(true);
  const std::vector<bool> all(run.results().size(), true);
  return {suffix->activation(), gradients_of_scores(run, suffix->score(leaf), leaf, all)};
}

void fill(MethodRun& run, const Setting& setting, const Tensors& totals, const Tensor& rise) {
  for (size_t t = 0; t < totals.size(); ++t) {
    Explanation& result = run.results()[t];
    result.map = totals[t].defined() ? totals[t].sum(0) : at::zeros({1, 1}, at::kDouble);
    if (rise.defined() && !run.stopped() && setting.suffix->is_complete())
      result.completeness_gap = result.map.sum().item<double>() - rise[static_cast<int64_t>(t)].item<double>();
    place_on_photo(result, setting.layer, setting.suffix->has_place(), run.height(), run.width());
  }
  if (run.stopped()) run.warn("Stopped early: the map covers the first part of the path.");
}

/// Sums weighted terms of the nodes of a Gauss-Legendre rule: `gradients(places)` [n,K,h,w] a target.
template <class Gradients>
Tensors average(MethodRun& run, int64_t steps, const Gradients& gradients) {
  const Quadrature rule = gauss_legendre(steps);
  const Tensor places = at::tensor(rule.nodes, at::kDouble);
  const Tensor weights = at::tensor(rule.weights, at::kDouble);
  Tensors sums(run.results().size());
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(steps - done, 1 + run.targets())) {
    const Tensors terms = gradients(places.narrow(0, done, n));
    for (size_t t = 0; t < sums.size(); ++t) {
      const Tensor sum = (terms[t].to(at::kDouble) * weights.narrow(0, done, n).view({-1, 1, 1, 1})).sum(0);
      sums[t] = sums[t].defined() ? sums[t] + sum : sum;
    }
    done += n;
  }
  return sums;
}

}  // namespace

const MethodEntry& conductance_method() { return flow(); }
const MethodEntry& internal_influence_method() { return influence(); }
const MethodEntry& layer_ig_method() { return integrated(); }

std::vector<Explanation> conductance(const Probe& probe, const Tensor& inputs, const Options& options,
                                     const Execution& execution) {
  return flow().run(probe, inputs, options, execution, [&](MethodRun& run) {
    const Setting setting(run, probe, "conductance", options);
    std::vector<PathSum> sums(run.results().size());
    const Tensor places = at::arange(options.steps + 1, at::kDouble) / static_cast<double>(options.steps);
    Tensor first, last;
    int64_t done = 0;
    while (const int64_t n = run.next_chunk(options.steps + 1 - done, 1 + run.targets())) {
      const auto [values, at] = gradients_at_layer(run, setting, setting.points(places.narrow(0, done, n)));
      if (done == 0) first = at.scores[0];
      last = at.scores[n - 1];
      for (size_t t = 0; t < sums.size(); ++t)
        for (int64_t i = 0; i < n; ++i) sums[t].add(values[i], at.gradients[t][i]);
      done += n;
    }
    if (!run.stopped()) run.set_scores(last);
    Tensors totals;
    for (const PathSum& sum : sums) totals.push_back(sum.total());
    fill(run, setting, totals, run.stopped() ? Tensor() : last - first);
  });
}

std::vector<Explanation> internal_influence(const Probe& probe, const Tensor& inputs, const Options& options,
                                            const Execution& execution) {
  return influence().run(probe, inputs, options, execution, [&](MethodRun& run) {
    const Setting setting(run, probe, "internal_influence", options);
    run.set_scores(run.score(run.input().unsqueeze(0))[0]);
    fill(run, setting,
         average(run, options.steps,
                 [&](const Tensor& places) {
                   return gradients_at_layer(run, setting, setting.points(places)).at.gradients;
                 }),
         {});
  });
}

std::vector<Explanation> layer_ig(const Probe& probe, const Tensor& inputs, const Options& options,
                                  const Execution& execution) {
  return integrated().run(probe, inputs, options, execution, [&](MethodRun& run) {
    const Setting setting(run, probe, "layer_ig", options);
    const Tensor scores = run.score(at::stack({run.input(), setting.baseline}));
    run.set_scores(scores[0]);
    const LayerScorer behind(probe, run.input().unsqueeze(0), setting.layer);
    const Tensor from = LayerScorer(probe, setting.baseline.unsqueeze(0), setting.layer).value();
    const Tensor way = behind.value() - from;
    Tensors totals = average(run, options.steps, [&](const Tensor& places) {
      const Tensor points = from + places.to(way.options()).view({-1, 1, 1, 1}) * way;
      return target_gradients(run, behind, points).gradients;
    });
    for (Tensor& total : totals)
      if (total.defined()) total = total * way[0];
    fill(run, setting, totals, scores[0] - scores[1]);
  });
}

std::vector<Explanation> conductance(const Model& model, const Image& image, const std::string& target,
                                     const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return conductance(probe, input, options); });
}

std::vector<Explanation> internal_influence(const Model& model, const Image& image, const std::string& target,
                                            const Options& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return internal_influence(probe, input, options);
  });
}

std::vector<Explanation> layer_ig(const Model& model, const Image& image, const std::string& target,
                                  const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return layer_ig(probe, input, options); });
}

}  // namespace vitrail
