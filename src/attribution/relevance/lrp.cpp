#include <vitrail/lrp.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/relevance/channels.h"
#include "attribution/relevance/record.h"
#include "attribution/relevance/rules.h"
#include "attribution/relevance/walk.h"

namespace vitrail {

namespace {

const std::vector<std::pair<std::string, Composite>> composites = {
    {"epsilon", Composite::epsilon},
    {"gamma", Composite::gamma},
    {"epsilon_gamma_box", Composite::epsilon_gamma_box},
    {"epsilon_plus", Composite::epsilon_plus},
    {"epsilon_plus_flat", Composite::epsilon_plus_flat},
    {"epsilon_alpha2_beta1", Composite::epsilon_alpha2_beta1},
    {"epsilon_alpha2_beta1_flat", Composite::epsilon_alpha2_beta1_flat},
    {"excitation_backprop", Composite::excitation_backprop}};

Method::Cost cost(const LrpOptions& options, int64_t, int64_t, int64_t targets) {
  const bool box =
      options.composite == Composite::epsilon_gamma_box || options.rules.find(":zbox") != std::string::npos;
  return {box ? 3 : 1, targets};
}

Method::Cost attn_cost(const AttnLrpOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

constexpr const char* epsilon_words = "added to denominators, with their sign";
constexpr const char* biases_words = "biases take their share; false: more arrives at the pixels";
constexpr const char* layer_words = "layer or value whose channels are chosen; none: all of the score goes back";
constexpr const char* channels_words = "the channels of that layer to keep, as in 3+17";

const MethodDefinition<LrpOptions, Probe>& definition() {
  static const MethodDefinition<LrpOptions, Probe> definition(
      {.name = "lrp",
       .family = "relevance",
       .summary = "The score handed back layer by layer, divided by what each input contributed.",
       .formula = "R_i = sum_j a_i w_ij / (sum_i a_i w_ij + b_j) R_j, stabilised or restricted by each layer's rule",
       .cost = "1 forward, 1 backward a target (2 to 5 times the gradient's time); 2 forwards more with zbox",
       .guarantees = "deterministic; conserved shares printed; without biases and for epsilon -> 0 the map adds up to "
                     "the score",
       .source = "Bach, Binder, Montavon, Klauschen, Mueller, Samek: Pixel-Wise Explanations, PLOS ONE 2015",
       .access = Access::graph,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<LrpOptions>({
          choice("composite", &LrpOptions::composite, "rules of the first layers, of convolutions and of dense layers",
                 composites),
          option("epsilon", &LrpOptions::epsilon, epsilon_words, at_least(0)),
          option("gamma", &LrpOptions::gamma, "how much more positive contributions count under gamma", at_least(0)),
          option("biases", &LrpOptions::biases, biases_words),
          option("rules", &LrpOptions::rules, "rules of single layers, as in conv1:gamma+fc:zplus"),
          option("layer", &LrpOptions::layer, layer_words),
          option("channels", &LrpOptions::channels, channels_words),
      }),
      lrp, cost);
  return definition;
}

const MethodDefinition<AttnLrpOptions, Probe>& attn_definition() {
  static const MethodDefinition<AttnLrpOptions, Probe> definition(
      {.name = "attn_lrp",
       .family = "relevance",
       .summary = "Layer-wise relevance propagation through attention: products share, softmax is expanded.",
       .formula =
           "R_i = sum_j a_i w_ij / (z_j + eps) R_j; products share half and half; softmax: x_i (R_i - s_i sum_j R_j)",
       .cost = "1 forward, 1 backward a target (about twice the gradient's time)",
       .guarantees = "deterministic; conserved shares printed",
       .source = "Achtibat et al.: AttnLRP, Attention-Aware Layer-Wise Relevance Propagation, ICML 2024",
       .access = Access::graph,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<AttnLrpOptions>({
          option("epsilon", &AttnLrpOptions::epsilon, epsilon_words, at_least(0)),
          option("gamma", &AttnLrpOptions::gamma, "above 0: rule gamma in convolutions and dense layers", at_least(0)),
          option("biases", &AttnLrpOptions::biases, biases_words),
          option("layer", &AttnLrpOptions::layer, layer_words),
          option("channels", &AttnLrpOptions::channels, channels_words),
      }),
      attn_lrp, attn_cost);
  return definition;
}

std::string share_text(double share) { return write_value(static_cast<float>(std::round(share * 1e6) / 1e6)); }

/// What was kept on the way. `start`: the relevance that went back, of the chosen channels where some were.
void record(Explanation& result, const WalkResult& walk, double start) {
  const double arrived = walk.at_input.sum(at::kDouble).item<double>();
  result.completeness_gap = arrived - result.score;
  record_rules(result, walk);
  result.plan["start"] = write_value(static_cast<float>(start));
  if (start == 0) return;
  const double conserved = arrived / start;
  result.plan["conserved"] = share_text(conserved);
  result.plan["absorbed_by_biases"] = share_text(walk.to_biases / start);
  constexpr double little = 0.1, much = 10;
  if (std::isfinite(conserved) && (conserved < little || conserved > much))
    result.warnings.push_back("Of the relevance " + write_value(static_cast<float>(start)) + " at the start, " +
                              write_value(static_cast<float>(arrived)) + " arrived at the input (biases took " +
                              write_value(static_cast<float>(walk.to_biases)) +
                              "): the map explains a part of the score " +
                              "at best. biases=false gives nothing to biases.");
}

/// The body of both methods.
void explain_by_relevance(MethodRun& run, const Probe& probe, const LrpOptions& options, const std::string& method) {
  const RelevanceGraph graph(model_of(probe, method), /*merge=*/true, options.layer == "none" ? "" : options.layer);
  RuleBook rules(graph, options);
  const Channels channels(graph, options.layer, options.channels);
  const Tensor& input = run.input();
  for (Explanation& result : run.results()) result.map = at::zeros({run.height(), run.width()}, at::kFloat);
  if (run.should_stop()) return;
  const Tensors values = graph.forward(input.unsqueeze(0));
  run.count(1, 0);
  if (rules.needs_box()) {
    const auto pass = [&](double pixel) {
      return graph.forward(probe.pixel(pixel, input.size(0)).to(input.options()).expand_as(input).unsqueeze(0));
    };
    rules.set_box(graph, pass(0), pass(255));
    run.count(2, 0);
  }
  const Tensor& output = values[graph.output()];
  run.set_scores(scores_at(graph, input, output, probe.targets()));
  for (Explanation& result : run.results()) {
    if (run.should_stop()) return;
    const Tensor seed = output * target_gradient(graph, input, output, result.target);
    double start = seed.sum(at::kDouble).item<double>();
    Walk walk;
    walk.rules = Walk::Rules::relevance;
    walk.rule_of = [&](const RelevanceGraph::Node& node) { return rules(node); };
    if (channels.chosen()) channels.condition(walk, start);
    const WalkResult found = walk_back(graph, values, seed, walk);
    run.count(0, 1);
    result.map = as_planes(graph, found.at_input, input).sum(0);
    record(result, found, start);
  }
}

}  // namespace

const MethodEntry& lrp_method() { return definition(); }
const MethodEntry& attn_lrp_method() { return attn_definition(); }

std::vector<Explanation> lrp(const Probe& probe, const Tensor& inputs, const LrpOptions& options,
                             const Execution& execution) {
  return definition().run(probe, inputs, options, execution,
                          [&](MethodRun& run) { explain_by_relevance(run, probe, options, "lrp"); });
}

std::vector<Explanation> attn_lrp(const Probe& probe, const Tensor& inputs, const AttnLrpOptions& options,
                                  const Execution& execution) {
  return attn_definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    LrpOptions rules;
    rules.composite = options.gamma > 0 ? Composite::gamma : Composite::epsilon;
    rules.epsilon = options.epsilon;
    rules.gamma = options.gamma;
    rules.biases = options.biases;
    rules.layer = options.layer;
    rules.channels = options.channels;
    explain_by_relevance(run, probe, rules, "attn_lrp");
  });
}

std::vector<Explanation> lrp(const Model& model, const Image& image, const std::string& target,
                             const LrpOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return lrp(probe, input, options); });
}

std::vector<Explanation> attn_lrp(const Model& model, const Image& image, const std::string& target,
                                  const AttnLrpOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return attn_lrp(probe, input, options); });
}

}  // namespace vitrail
