#pragma once

// Saliency: how fast the score changes when a pixel does.
//
//   phi = max over channels of |dg/dx|.
//
// The gradient of the score at the input, its size alone. One forward and one backward, so it is the
// first look at any network; it is also noisy, and says what the score is sensitive to here, not what
// the score is made of. SmoothGrad averages the noise away, Integrated Gradients adds up.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target per unit of input (logit per input unit); unsigned.
// Cost        1 forward, and 1 backward a target.
// Guarantees  exact: for a linear score the map is |w|. An input that the score does not use gets 0.
// Errors      UsageError for inputs that are not [N,C,H,W]. A gradient that vanishes everywhere is a warning,
//             and so are operators whose derivative is zero almost everywhere (Sign, Round, ...).
// Paper       Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, ICLR workshop 2014.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

struct SaliencyOptions {
  Reducer reducer = Reducer::max;  ///< of |gradient| over the channels; max, as in the paper
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> saliency(const DifferentiableScorer& scorer, const Tensor& inputs,
                                  const SaliencyOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> saliency(const Model& model, const Image& image, const std::string& target = "top1",
                                  const SaliencyOptions& options = {});

}  // namespace vitrail
