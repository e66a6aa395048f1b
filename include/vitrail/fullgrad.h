#pragma once

// FullGrad: gradient times input, and gradient times bias of every layer.
//
//   g(x) = <dg/dx, x> + sum over nodes of <dg/d out, b>,     out = J u + b at every node
//
// A gradient at the input says nothing of the part of the score that the network's constants carry: biases of
// convolutions and linear layers, of batch normalisations (beta - gamma mu / sqrt(var + epsilon)), and those implicit
// in nonlinear operators (6 on the plateau of a ReLU6, s(u) - u s'(u) of any activation, the non-homogeneous part of a
// softmax or a layer norm). With all of them the decomposition is exact for any network, and every term of a layer that
// keeps positions is a map. No rule is written for any operator: b is out - J u, and J u comes from differentiation.
//
//   terms=signed    maps of the terms as they are, enlarged so that their sums stay; what has no place (linear layers,
//   class
//                   tokens, the target) is spread evenly. The map adds up to the score.
//   terms=paper     the paper's picture: |term| of every channel scaled to [0,1], enlarged, summed; what has no place
//   is
//                   left out. Unsigned, without completeness.
//
// Shapes      map [H,W]; no cells; extras `input` [H,W], the first term.
// Unit        of the target (logit), signed; terms=paper: none, unsigned.
// Cost        2 forwards, and 2 + T backwards for T targets: the biases cost about a forward and two backwards.
// Guarantees  deterministic; terms=signed: the gap, sum - score, is rounding. Linear score: w_i x_i, and b spread
// evenly. Errors      as saliency; and UsageError for scorers that are not networks. Paper       Srinivas, Fleuret:
// Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019. (It takes biases
//             of convolutions and batch normalisations of ReLU networks; the sum is then exact only without ReLU6 and
//             the like, and linear layers are left out.)

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

enum class FullGradTerms { as_they_are, as_in_the_paper };

struct FullGradOptions {
  FullGradTerms terms = FullGradTerms::as_they_are;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> fullgrad(const Probe& probe, const Tensor& inputs, const FullGradOptions& options = {},
                                  const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> fullgrad(const Model& model, const Image& image, const std::string& target = "top1",
                                  const FullGradOptions& options = {});

}  // namespace vitrail
