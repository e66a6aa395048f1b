#pragma once

// Gradient x Input: what each pixel contributes to the score, to first order.
//
//   phi = x * dg/dx, reduced over channels.
//
// The first-order Taylor term of hiding a pixel by 0, the mean colour of a normalised network. For a score
// that is linear in x it is exact; `reducer=sum` then makes the map add up to g(x) - g(0). The
// default, the mean over channels, is the same map divided by the number of channels: the convention of
// the reference libraries.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        1 forward, and 1 backward a target.
// Guarantees  exact: for a linear score w_i x_i (mean or sum over channels). Networks of ReLU, convolutions
//             and pooling without biases are homogeneous, and the sum is the score itself.
// Errors      as saliency.
// Paper       Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box, arXiv 1605.01713, 2016.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

struct GradientXInputOptions {
  Reducer reducer = Reducer::mean;  ///< over the channels; `sum` for maps that add up
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> gradient_x_input(const DifferentiableScorer& scorer, const Tensor& inputs,
                                          const GradientXInputOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> gradient_x_input(const Model& model, const Image& image, const std::string& target = "top1",
                                          const GradientXInputOptions& options = {});

}  // namespace vitrail
