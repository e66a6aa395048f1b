#include <vitrail/sanity_checks.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attribution/random.h"
#include "evaluation/map_correlation.h"
#include "evaluation/metric_impl.h"
#include "evaluation/sanity/weights.h"
#include "evaluation/ssim.h"

namespace vitrail {

namespace {

constexpr const char* kConstant = "a map is constant: it has no rank correlation";

using Similarities = std::map<std::string, double>;

Similarities compare(const Tensor& a, const Tensor& b) {
  return {{"spearman", map_correlation(a, b)},
          {"spearman_abs", map_correlation(a.abs(), b.abs())},
          {"ssim", ssim(a, b)},
          {"ssim_abs", ssim(a.abs(), b.abs())}};
}

std::string key_of(Similarity similarity, bool absolute) {
  return std::string(similarity == Similarity::spearman ? "spearman" : "ssim") + (absolute ? "_abs" : "");
}

/// Explains `target` on `model`, and counts.
Tensor explain_on(const Model& model, const Target& target, const MetricCase& map, MetricScore& cost) {
  if (!map.method) throw UsageError("sanity checks explain again, and this case says no method.");
  const auto probe = model.probe({target});
  const Explanation explanation = map.method->explain(*probe, map.input.unsqueeze(0), map.execution).at(0);
  if (map.execution.cancelled && map.execution.cancelled->load()) throw CancelledError();
  cost.forwards += explanation.forwards;
  cost.backwards += explanation.backwards;
  return explanation.map;
}

MetricScore finish(MetricScore score, const Similarities& similarities, const std::string& key) {
  score.value = similarities.at(key);
  score.parts = similarities;
  if (std::isnan(score.value)) score.undefined = kConstant;
  return score;
}

/// The layers that change, from the output down.
std::vector<WeightedLayer> last_layers(const Graph& graph, double share) {
  std::vector<WeightedLayer> layers = weighted_layers(graph);
  std::reverse(layers.begin(), layers.end());
  const auto count = static_cast<size_t>(std::ceil(share * static_cast<double>(layers.size())));
  layers.resize(std::min(layers.size(), count));
  return layers;
}

/// A copy of the model in which the layers first .. first + count - 1 have other weights.
Model randomise(const Model& model, const std::vector<WeightedLayer>& layers, size_t first, size_t count,
                const ModelRandomisationOptions& options) {
  std::map<std::string, Tensor> constants;
  for (size_t i = first; i < first + count; ++i)
    for (auto& [name, value] : draw_weights(model.graph(), layers[i], options.source, options.seed, i))
      constants[name] = std::move(value);
  return model.with_constants(constants);
}

template <class Options>
std::vector<Option<Options>> similarity_rows() {
  return {choice("similarity", &Options::similarity, "of the maps, which the value is",
                 {{"spearman", Similarity::spearman}, {"ssim", Similarity::ssim}}),
          option("absolute", &Options::absolute, "absolute values are compared"),
          option("seed", &Options::seed, "of what is drawn")};
}

const MetricDefinition<ModelRandomisationOptions>& randomisation_definition() {
  using Options = ModelRandomisationOptions;
  static const MetricDefinition<Options> definition = [] {
    auto rows = similarity_rows<Options>();
    rows.push_back(option("share", &Options::share, "of the layers with weights, from the output down", between(0, 1)));
    rows.push_back(option("stages", &Options::stages, "of the cascade: a map each", between(1, 1000)));
    rows.push_back(choice("mode", &Options::mode, "more and more layers, or one at a time",
                          {{"cascade", RandomisationMode::cascade}, {"independent", RandomisationMode::independent}}));
    rows.push_back(choice("source", &Options::source, "what replaces weights",
                          {{"initializer", WeightSource::initializer},
                           {"permute", WeightSource::permute},
                           {"uniform01", WeightSource::uniform01}}));
    return MetricDefinition<Options>(
        {.name = "model_randomisation",
         .family = "sanity",
         .aliases = {"mprt"},
         .summary = "Draws the weights of the last layers anew: how much of the map stays.",
         .formula = "similarity(phi(f, x), phi(f with other weights, x))",
         .direction = Direction::lower,
         .evidence = Evidence::model,
         .range = "-1 to 1",
         .curve = "share of the layers with weights, the last first",
         .cost = "stages x the method's (independent: layers x)",
         .source = "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018"},
        OptionTable<Options>(std::move(rows)), model_randomisation);
  }();
  return definition;
}

const MetricDefinition<RandomLogitOptions>& logit_definition() {
  static const MetricDefinition<RandomLogitOptions> definition(
      {.name = "random_logit",
       .family = "sanity",
       .summary = "Explains another class, drawn at random: how much of the map stays.",
       .formula = "similarity(phi(f_c, x), phi(f_c', x)), c' another class",
       .direction = Direction::lower,
       .evidence = Evidence::model,
       .range = "-1 to 1",
       .cost = "the method's",
       .source = "Sixt, Granz, Landgraf, ICML 2020"},
      OptionTable<RandomLogitOptions>(similarity_rows<RandomLogitOptions>()), random_logit);
  return definition;
}

}  // namespace

const MetricEntry& model_randomisation_metric() { return randomisation_definition(); }
const MetricEntry& random_logit_metric() { return logit_definition(); }

MetricScore model_randomisation(const MetricCase& map, const ModelRandomisationOptions& options) {
  return randomisation_definition().run(map, options, [&] {
    const std::vector<WeightedLayer> layers = last_layers(map.model->graph(), options.share);
    if (layers.empty()) return undefined_score("the network has no layer with weights in this share");
    const std::string key = key_of(options.similarity, options.absolute);
    const bool cascade = options.mode == RandomisationMode::cascade;
    const auto stages = cascade ? std::min<size_t>(static_cast<size_t>(options.stages), layers.size()) : layers.size();
    MetricScore cost;
    std::vector<double> shares, values;
    Similarities last, sums;
    for (size_t stage = 1; stage <= stages; ++stage) {
      const size_t until = cascade ? layers.size() * stage / stages : stage, first = cascade ? 0 : stage - 1;
      const Model changed = randomise(*map.model, layers, first, until - first, options);
      last = compare(map.map, explain_on(changed, map.target, map, cost));
      for (const auto& [name, value] : last) sums[name] += value / static_cast<double>(stages);
      shares.push_back(static_cast<double>(until) / static_cast<double>(weighted_layers(map.model->graph()).size()));
      values.push_back(last.at(key));
    }
    cost.curve_x = at::tensor(shares, at::kDouble);
    cost.curve_y = at::tensor(values, at::kDouble);
    return finish(cost, cascade ? last : sums, key);
  });
}

MetricScore random_logit(const MetricCase& map, const RandomLogitOptions& options) {
  return logit_definition().run(map, options, [&] {
    const Target& target = map.target;
    if (target.function || target.index < 0 || map.model->classes() < 2)
      return undefined_score("the target is not one of several classes");
    Random random(options.seed, RandomStream::order, static_cast<uint64_t>(target.index));
    const auto others = static_cast<double>(map.model->classes() - 1);
    auto drawn = static_cast<int64_t>(random.uniform() * others);
    if (drawn >= target.index) ++drawn;
    Target other = target;
    other.index = drawn;
    other.versus = -1;
    other.string = std::to_string(drawn);
    other.label.clear();
    MetricScore cost;
    const Tensor map_of_other = explain_on(map.model->without_plan(), other, map, cost);
    cost = finish(cost, compare(map.map, map_of_other), key_of(options.similarity, options.absolute));
    cost.parts["class"] = static_cast<double>(drawn);
    return cost;
  });
}

}  // namespace vitrail
