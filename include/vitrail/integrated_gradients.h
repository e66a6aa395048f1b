#pragma once

// Integrated Gradients: the score's rise from a baseline to the input, divided among the pixels.
//
//   phi = sum over channels of (x - b) * integral_0^1 dg/dx(b + a (x - b)) da.
//
// By the fundamental theorem of calculus the map adds up to g(x) - g(b) (completeness), which a
// single gradient does not. The integral is a Gauss-Legendre sum, exact for paths along which the
// gradient is a polynomial of degree 2n - 1. Networks of ReLUs have kinks, so how many nodes are needed
// depends on the photo: the number is doubled from `steps` until the completeness gap
//
//   gap = sum of the map - (g(x) - g(b))     is at most    tolerance * |g(x) - g(b)|
//
// or `max_steps` is reached, for each target on its own. The gap is part of the result.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        2 + n forwards and n backwards a target, n = steps (1 + 2 + 4 + ...) up to max_steps.
// Guarantees  deterministic. Linear score: w_i (x_i - b_i). Stopped early by a budget: the last finished sum; before
//             the first is finished, the average over its finished nodes, with a warning and its gap.
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
  int64_t steps = 16;       ///< nodes of the first sum
  int64_t max_steps = 128;  ///< the doubling ends here; equal to `steps`: no doubling
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
