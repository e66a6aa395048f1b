#pragma once

// DeepLIFT: the score's rise from a baseline, divided by how each operator's output differs from its output there.
//
// Every operator gets multipliers m = change of the output / change of the input between baseline and input, and these
// are chained backwards as derivatives are. A pixel is given m (x - baseline). Where a unit is saturated its derivative
// is zero; its multiplier is not.
//
//   elementwise (ReLU, Clip, sigmoid ...)   dy/dx, the rescale rule; the derivative where |dx| < 1e-10
//   linear                                  the transposed map
//   MaxPool, Max                            the winners here and at the baseline
//   products of two values                  each by the mean of the other
//   everything else (softmax, LayerNormalization, attention ...)   the derivative averaged on the straight way from the
//                                           baseline, by 12 Gauss-Legendre nodes; such nodes that are not smooth may
//                                           leave a gap, which is printed
//
// Shapes      map [H,W], summed over channels; no cells.
// Unit        of the target; signed.
// Cost        2 forwards, and 1 backward a target.
// Guarantees  completeness: the map adds up to score - score(baseline) within the reported gap, which is rounding on
// nets
//             of linear and elementwise operators and MaxPool.
// Errors      UsageError for scorers that are no models and for baselines that depend on a mask.
// Paper       Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences,
// ICML
//             2017 (rescale rule).

#include <vitrail/baseline.h>
#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

struct DeepLiftOptions {
  Baseline baseline = {};  ///< what the input is compared with; zero: 0 in the model's input space
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> deeplift(const Probe& probe, const Tensor& inputs, const DeepLiftOptions& options = {},
                                  const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> deeplift(const Model& model, const Image& image, const std::string& target = "top1",
                                  const DeepLiftOptions& options = {});

}  // namespace vitrail
