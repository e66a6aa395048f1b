#pragma once

// SmoothGrad: the gradient of the score, averaged over noisy copies of the input.
//
//   phi = E over xi ~ N(0, sigma^2) of dg/dx(x + xi), reduced over channels.
//
// The gradient of the score blurred by a Gaussian of width sigma: what remains is what the score is
// sensitive to in a neighbourhood and not at a point. sigma is `noise` times the range of the input
// (largest minus smallest value): a share does the same for every preprocessing, which an absolute number
// does not. Each sample is reduced over channels before averaging, so that the standard error is that of the map.
//
// Shapes      map and standard error [H,W]; no cells.
// Unit        of the target per unit of input (logit per input unit); signed.
// Cost        `samples` forwards, and as many backwards a target. Memory does not depend on `samples`.
// Guarantees  sample i is a function of (seed, i): results do not depend on batch or threads. The standard error
//             is s / sqrt(samples) by Welford's recurrence and falls with the root. Linear score: w. Anytime: stopped
//             early, the map of the samples done so far with its own standard error.
// Errors      as saliency.
// Paper       Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad, arXiv 1706.03825, 2017.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct SmoothGradOptions {
  int64_t samples = 50;             ///< noisy copies; the paper sees little change beyond
  double noise = 0.15;              ///< sigma as a share of the input's range; the paper advises 0.1 to 0.2
  Reducer reducer = Reducer::mean;  ///< of a sample's gradient over the channels
  uint64_t seed = 1;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> smoothgrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> smoothgrad(const Model& model, const Image& image, const std::string& target = "top1",
                                    const SmoothGradOptions& options = {});

}  // namespace vitrail
