#pragma once

// Integrated Gradients: the score's rise from a baseline to the input, divided among the pixels.
//
//   phi = sum over channels of (x - b) * integral_0^1 dg/dx(b + a (x - b)) da.
//
// By the fundamental theorem of calculus the map adds up to g(x) - g(b) (completeness), which a
// single gradient does not. The integral is a trapezoidal sum over nodes between 0 and 1, both included. Networks of
// ReLUs have kinks, most of them near the baseline, so where nodes are needed depends on the photo: the path begins as
// `steps` equal intervals, and the worst ones are halved until the completeness gap
//
//   gap = sum of the map - (g(x) - g(b))     is at most    tolerance * |g(x) - g(b)|
//
// or there are `max_steps` intervals, for each target on its own. What an interval gets wrong is known, since the
// scores at its ends are: it has a gap of its own. The gap is part of the result.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        n + 1 forwards and backwards a target, steps <= n <= max_steps; the first steps + 1 forwards serve all
// targets. Guarantees  deterministic. Linear score: w_i (x_i - b_i). Stopped early by a budget: the sum over the nodes
// done, which are
//             the ends first, then halves, quarters.
// Errors      as saliency.
// Paper       Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017.

#include <vitrail/baseline.h>
#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct IntegratedGradientsOptions {
  int64_t steps = 8;        ///< equal intervals to begin with
  int64_t max_steps = 128;  ///< halving ends here; equal to `steps`: no halving
  double tolerance = 0.01;  ///< largest completeness gap, as a share of |g(x) - g(b)|
  Baseline baseline;        ///< where the path starts; `black` reads darkness as absence
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> integrated_gradients(const DifferentiableScorer& scorer, const Tensor& inputs,
                                              const IntegratedGradientsOptions& options = {},
                                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> integrated_gradients(const Model& model, const Image& image,
                                              const std::string& target = "top1",
                                              const IntegratedGradientsOptions& options = {});

}  // namespace vitrail
