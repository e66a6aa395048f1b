#pragma once

// Layer-wise relevance propagation (LRP), AttnLRP and concept-conditional relevance.
//
// The score is handed back through the network, node by node: each divides what arrived at its outputs among its
// inputs, by a rule that says what an input contributed. What arrives at the pixels is the map. Where no bias takes
// a share the map adds up to the score.
//
// The rules of layers with weights, y = W x + b (formulas: src/ops/weighted_relevance.h):
//
//   epsilon  in proportion to the contributions a w     zbox     the same, for pixels in a box
//   gamma    positive contributions count more          wsquare  in proportion to w^2
//   zplus    positive contributions only                flat     evenly
//   alpha_beta (alpha2_beta1, alpha1_beta0)             pass     unchanged
//
// A composite gives rules by place: the first layers with weights / convolutions / dense layers. A convolution whose
// output has one position (a head on pooled features) is dense.
//
//   epsilon                    epsilon / epsilon / epsilon      with epsilon=0 it is LRP-0
//   gamma                      gamma / gamma / gamma
//   epsilon_gamma_box          zbox / gamma / epsilon
//   epsilon_plus               zplus / zplus / epsilon
//   epsilon_plus_flat          flat / zplus / epsilon           default
//   epsilon_alpha2_beta1       alpha2_beta1 / alpha2_beta1 / epsilon
//   epsilon_alpha2_beta1_flat  flat / alpha2_beta1 / epsilon
//   excitation_backprop        zplus / zplus / zplus, no biases
//
// Everything else: elementwise functions pass; sums, means and normalisations share in proportion (the deviation of a
// normalisation is frozen); the largest value takes all; products share alike; softmax is expanded to first order;
// attention combines these. What an operator without a rule does is input times gradient; such nodes are listed in
// `plan["default_rule"]`. Batch normalisation and added constants are merged into their layer first, so that a map does
// not depend on how a file spells a layer.
//
// `rules=NAME:RULE+NAME:RULE` sets the rule of single layers. `layer=NAME,channels=3+17` keeps, of what arrives at
// that layer, those channels only: what the network saw there that these channels stand for (CRP).
//
// attn_lrp is the composite epsilon (or gamma, where that is not 0) for transformers: attention, normalisations and
// activations by the rules above.
//
// Shapes      map [H,W], summed over channels; no cells.
// Unit        of the target; signed.
// Cost        1 forward, and 1 backward a target, which costs two to five of the gradient's; zbox: 2 forwards more.
// Guarantees  deterministic. `completeness_gap` is the sum of the map less the score; plan: "conserved", the share of
//             the relevance at the logits that arrived, "absorbed_by_biases", the share that biases took. A warning
//             where little arrives. For epsilon -> 0 and no biases the gap is 0; with ReLUs, MaxPool and epsilon=0 the
//             map is gradient x input.
// Errors      UsageError for scorers that are no models, layers and channels that do not exist, unknown rules.
// Papers      Bach et al., PLOS ONE 2015; Montavon et al., LRP: An Overview, 2019; Kohlbrenner et al., Towards Best
// Practice in
//             Explaining Neural Network Decisions with LRP, IJCNN 2020; Zhang et al., Top-Down Neural Attention by
//             Excitation Backprop, ECCV 2016; Achtibat et al., From Attribution Maps to Human-Understandable
//             Explanations through Concept Relevance Propagation, Nature Machine Intelligence 2023; Achtibat et al.,
//             AttnLRP, ICML 2024.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

enum class Composite {
  epsilon,
  gamma,
  epsilon_gamma_box,
  epsilon_plus,
  epsilon_plus_flat,
  epsilon_alpha2_beta1,
  epsilon_alpha2_beta1_flat,
  excitation_backprop
};

struct LrpOptions {
  Composite composite = Composite::epsilon_plus_flat;
  double epsilon = 1e-6;         ///< added to denominators, with their sign
  double gamma = 0.25;           ///< of the rule gamma
  bool biases = true;            ///< false: biases take no share, so that more arrives at the pixels
  std::string rules = "none";    ///< of single layers: NAME:RULE+NAME:RULE
  std::string layer = "none";    ///< whose channels are chosen
  std::string channels = "all";  ///< of that layer: 3+17
};

struct AttnLrpOptions {
  double epsilon = 1e-6;         ///< added to denominators, with their sign
  double gamma = 0;              ///< above 0: rule gamma instead of epsilon in convolutions and dense layers
  bool biases = true;            ///< false: biases take no share
  std::string layer = "none";    ///< whose channels are chosen
  std::string channels = "all";  ///< of that layer: 3+17
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> lrp(const Probe& probe, const Tensor& inputs, const LrpOptions& options = {},
                             const Execution& execution = {});
std::vector<Explanation> attn_lrp(const Probe& probe, const Tensor& inputs, const AttnLrpOptions& options = {},
                                  const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> lrp(const Model& model, const Image& image, const std::string& target = "top1",
                             const LrpOptions& options = {});
std::vector<Explanation> attn_lrp(const Model& model, const Image& image, const std::string& target = "top1",
                                  const AttnLrpOptions& options = {});

}  // namespace vitrail
