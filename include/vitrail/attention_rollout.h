#pragma once

// Explanations of transformers by their attention: attention rollout, gradient rollout and LeGrad.
//
// With A_l [tokens,tokens] the attention probabilities of layer l, averaged over heads, and G_l the gradient of the
// score with respect to them:
//
//   attention_rollout   R = product over layers of ((1 - residual) A_l + residual I), rows made to add up to 1:
//                       how much of each token's input reaches each token's output. Knows no target.
//   gradient_rollout    R <- R + mean over heads of ReLU(G_l * A_l) R, from R = I; the I is taken off at the end
//   legrad              sum over layers of the mean over heads and queries of ReLU(G_l)
//
// The first two are read in the rows of the tokens that the score depends on behind the last layer (the class token,
// or all of them where the network averages), legrad for every key token. What is left of the row is laid
// out on the grid of patches; class and register tokens are dropped. legrad takes the gradients of the final score in
// all layers; its authors read the score off each layer's own tokens.
//
// Attention layers are found in the graph: Attention nodes, and softmax matrices that mix tokens. Layers whose
// attention does not join all patches (windows, other token counts) cannot be composed: they are a UsageError where no
// layer is left, else a warning.
//
// Shapes      cells: the patch grid; map: the cells enlarged bicubically to [H,W].
// Unit        attention_rollout: share of attention; gradient_rollout: of the target; legrad: of the target per unit of
//             attention. Unsigned.
// Cost        1 forward; attention_rollout 1 backward in all, the others 1 a target.
// Guarantees  deterministic.
// Errors      UsageError for scorers that are no models and for networks without attention over patches.
// Papers      Abnar, Zuidema: Quantifying Attention Flow in Transformers, ACL 2020. Chefer, Gur, Wolf: Generic
//             Attention-model Explainability, ICCV 2021. Bousselham et al.: LeGrad, 2024.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

/// How the heads of a layer become one.
enum class Heads { mean, max, min };

struct AttentionRolloutOptions {
  Heads heads = Heads::mean;
  double residual = 0.5;  ///< share of the way around the attention
};

struct GradientAttentionOptions {
  Heads heads = Heads::mean;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> attention_rollout(const Probe& probe, const Tensor& inputs,
                                           const AttentionRolloutOptions& options = {},
                                           const Execution& execution = {});
std::vector<Explanation> gradient_rollout(const Probe& probe, const Tensor& inputs,
                                          const GradientAttentionOptions& options = {},
                                          const Execution& execution = {});
std::vector<Explanation> legrad(const Probe& probe, const Tensor& inputs, const GradientAttentionOptions& options = {},
                                const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> attention_rollout(const Model& model, const Image& image, const std::string& target = "top1",
                                           const AttentionRolloutOptions& options = {});
std::vector<Explanation> gradient_rollout(const Model& model, const Image& image, const std::string& target = "top1",
                                          const GradientAttentionOptions& options = {});
std::vector<Explanation> legrad(const Model& model, const Image& image, const std::string& target = "top1",
                                const GradientAttentionOptions& options = {});

}  // namespace vitrail
