#include <vitrail/attention_rollout.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <functional>

#include "attribution/explain_image.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/relevance/attention_maps.h"

namespace vitrail {

namespace {

using RolloutDefinition = MethodDefinition<AttentionRolloutOptions, Probe>;
using GradientDefinition = MethodDefinition<GradientAttentionOptions, Probe>;

Method::Cost rollout_cost(const AttentionRolloutOptions&, int64_t, int64_t, int64_t) { return {1, 1}; }
Method::Cost gradient_cost(const GradientAttentionOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

template <class Options>
Option<Options> heads_option(Heads Options::* field) {
  return choice("heads", field, "how the heads of a layer become one",
                {{"mean", Heads::mean}, {"max", Heads::max}, {"min", Heads::min}});
}

const RolloutDefinition& rollout() {
  static const RolloutDefinition definition(
      {.name = "attention_rollout",
       .family = "relevance",
       .summary = "How much of each patch reaches the tokens that the score is read from, by attention alone.",
       .formula = "prod over layers of (1 - r) mean_h A + r I, rows summing to 1; its row of the tokens read",
       .cost = "1 forward, 1 backward",
       .guarantees = "deterministic; the same for every target; shares of all tokens add up to 1",
       .source = "Abnar, Zuidema: Quantifying Attention Flow in Transformers, ACL 2020",
       .access = Access::graph,
       .is_signed = false,
       .unit = "share of attention"},
      OptionTable<AttentionRolloutOptions>({
          heads_option(&AttentionRolloutOptions::heads),
          option("residual", &AttentionRolloutOptions::residual, "share of the way around the attention",
                 between(0, 1)),
      }),
      attention_rollout, rollout_cost);
  return definition;
}

const GradientDefinition& weighted_rollout() {
  static const GradientDefinition definition(
      {.name = "gradient_rollout",
       .family = "relevance",
       .summary = "Attention that raises the score, composed over the layers.",
       .formula = "R <- R + mean_h max(dg/dA * A, 0) R, layer by layer from R = I; its row of the tokens read",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "deterministic",
       .source = "Chefer, Gur, Wolf: Generic Attention-model Explainability, ICCV 2021",
       .access = Access::graph,
       .is_signed = false,
       .unit = "logit"},
      OptionTable<GradientAttentionOptions>({heads_option(&GradientAttentionOptions::heads)}), gradient_rollout,
      gradient_cost);
  return definition;
}

const GradientDefinition& sensitivity() {
  static const GradientDefinition definition(
      {.name = "legrad",
       .family = "relevance",
       .summary = "Where more attention would raise the score, added over the layers.",
       .formula = "sum over layers of mean over heads and queries of max(dg/dA, 0)",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "deterministic",
       .source = "Bousselham, Boggust, Chaybouti, Strobelt, Kuehne: LeGrad, 2024",
       .access = Access::graph,
       .is_signed = false,
       .unit = "logit per unit of attention"},
      OptionTable<GradientAttentionOptions>({heads_option(&GradientAttentionOptions::heads)}), legrad, gradient_cost);
  return definition;
}

/// What a run knows before the first target.
struct Pass {
  RelevanceGraph graph;
  Tensors values;
  Attention attention;
};

Pass pass(MethodRun& run, const Probe& probe, const std::string& method) {
  RelevanceGraph graph(model_of(probe, method), /*merge=*/false);
  Tensors values = graph.forward(run.input().unsqueeze(0));
  run.count(1, 0);
  run.set_scores(scores_at(graph, run.input(), values[graph.output()], probe.targets()));
  Attention attention = find_attention(graph, values, method);
  if (!attention.left_out.empty())
    run.warn("Attention that does not join all patches is left out: " + join(attention.left_out) + ".");
  for (Explanation& result : run.results()) {
    const TokenGrid& grid = attention.grid;
    result.plan["layers"] = std::to_string(attention.layers.size());
    result.plan["tokens"] = std::to_string(grid.height) + "x" + std::to_string(grid.width) + " patches, " +
                            std::to_string(grid.extra) + " others";
  }
  return {std::move(graph), std::move(values), std::move(attention)};
}

AttentionGradients gradients_of(const Pass& pass, const MethodRun& run, const Target& target) {
  const Tensor& output = pass.values[pass.graph.output()];
  return attention_gradients(pass.graph, pass.values, pass.attention,
                             target_gradient(pass.graph, run.input(), output, target));
}

/// One number a token [tokens] as cells and map.
void fill_maps(Explanation& result, const MethodRun& run, const TokenGrid& grid, const Tensor& tokens) {
  result.cells = tokens.narrow(0, grid.extra, grid.height * grid.width).reshape({grid.height, grid.width}).cpu();
  result.map = upsample(result.cells, run.height(), run.width(), Interpolation::bicubic).clamp_min(0);
}

Tensor join_heads(const Tensor& probabilities, Heads heads) {
  switch (heads) {
    case Heads::mean:
      return probabilities.mean(0);
    case Heads::max:
      return probabilities.amax(0);
    case Heads::min:
      return probabilities.amin(0);
  }
  VITRAIL_CHECK(false, "unknown way to join heads");
  return {};
}

Tensor identity_like(const AttentionLayer& layer) {
  return at::eye(layer.probabilities.size(1), layer.probabilities.options());
}

/// Token values from the layers and their gradients; one target after the other.
using TokenValues = std::function<Tensor(const Attention&, const AttentionGradients&)>;

void explain_by_gradients(MethodRun& run, const Probe& probe, const std::string& method, const TokenValues& value) {
  for (Explanation& result : run.results()) result.map = at::zeros({run.height(), run.width()}, at::kFloat);
  if (run.should_stop()) return;
  const Pass known = pass(run, probe, method);
  for (Explanation& result : run.results()) {
    if (run.should_stop()) return;
    const AttentionGradients found = gradients_of(known, run, result.target);
    run.count(0, 1);
    fill_maps(result, run, known.attention.grid, value(known.attention, found));
  }
}

}  // namespace

const MethodEntry& attention_rollout_method() { return rollout(); }
const MethodEntry& gradient_rollout_method() { return weighted_rollout(); }
const MethodEntry& legrad_method() { return sensitivity(); }

std::vector<Explanation> attention_rollout(const Probe& probe, const Tensor& inputs,
                                           const AttentionRolloutOptions& options, const Execution& execution) {
  return rollout().run(probe, inputs, options, execution, [&](MethodRun& run) {
    for (Explanation& result : run.results()) result.map = at::zeros({run.height(), run.width()}, at::kFloat);
    if (run.should_stop()) return;
    const Pass known = pass(run, probe, "attention_rollout");
    if (run.should_stop()) return;
    const Tensor read = gradients_of(known, run, run.results()[0].target).read;
    run.count(0, 1);
    const Tensor one = identity_like(known.attention.layers[0]);
    Tensor flow = one;
    for (const AttentionLayer& layer : known.attention.layers) {
      const Tensor mixed =
          join_heads(layer.probabilities, options.heads) * (1 - options.residual) + one * options.residual;
      flow = at::matmul(mixed / mixed.sum(1, /*keepdim=*/true), flow);
    }
    for (Explanation& result : run.results()) fill_maps(result, run, known.attention.grid, at::matmul(read, flow));
    if (run.targets() > 1) run.warn("attention_rollout knows no target: the maps of all targets are the same.");
  });
}

std::vector<Explanation> gradient_rollout(const Probe& probe, const Tensor& inputs,
                                          const GradientAttentionOptions& options, const Execution& execution) {
  return weighted_rollout().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_gradients(run, probe, "gradient_rollout",
                         [&](const Attention& attention, const AttentionGradients& found) {
                           const Tensor one = identity_like(attention.layers[0]);
                           Tensor flow = one;
                           for (size_t i = 0; i < attention.layers.size(); ++i) {
                             const Tensor raising = (found.gradients[i] * attention.layers[i].probabilities).relu();
                             flow = flow + at::matmul(join_heads(raising, options.heads), flow);
                           }
                           return at::matmul(found.read, flow - one);
                         });
  });
}

std::vector<Explanation> legrad(const Probe& probe, const Tensor& inputs, const GradientAttentionOptions& options,
                                const Execution& execution) {
  return sensitivity().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_gradients(run, probe, "legrad", [&](const Attention&, const AttentionGradients& found) {
      Tensor sum;
      for (const Tensor& gradient : found.gradients) {
        const Tensor layer = join_heads(gradient.relu(), options.heads).mean(0);
        sum = sum.defined() ? sum + layer : layer;
      }
      return sum;
    });
  });
}

std::vector<Explanation> attention_rollout(const Model& model, const Image& image, const std::string& target,
                                           const AttentionRolloutOptions& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return attention_rollout(probe, input, options);
  });
}

std::vector<Explanation> gradient_rollout(const Model& model, const Image& image, const std::string& target,
                                          const GradientAttentionOptions& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return gradient_rollout(probe, input, options);
  });
}

std::vector<Explanation> legrad(const Model& model, const Image& image, const std::string& target,
                                const GradientAttentionOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return legrad(probe, input, options); });
}

}  // namespace vitrail
