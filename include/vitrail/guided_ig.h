#pragma once

// Guided Integrated Gradients: a path from the baseline to the input that avoids steep ground.
//
//   at every point, first move the values whose partial derivative is smallest; phi = sum over channels of the line
//   integral of the gradient along the path
//
// The straight path of Integrated Gradients crosses places where the score is steep in directions that do not matter
// in the end, and their gradients remain in the map as noise. Here, of the n values, the quarter with the smallest
// |derivative| is moved to where it is going, again and again, until the L1 distance to the input is what the schedule
// says: (1 - (k+1)/steps) of the whole after step k. No value strays more than `max_distance` of its way from the
// straight path, which keeps the path from running along the edges of the cube; max_distance=0 is the straight path.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        (steps + 1) forwards and backwards a target: every target has a path of its own. And 1 forward for the
// end. Guarantees  deterministic, independent of the batch; adds up to score - score(baseline) within the reported gap.
// Linear
//             score: w_i (x_i - b_i). Stopped early: the part of the path next to the baseline, with a warning.
// Errors      as saliency.
// Paper       Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi: Guided Integrated Gradients, CVPR 2021. (Its
// code
//             weights every step by the gradient at its beginning, here the mean of both ends: second order.)

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

struct GuidedIgOptions {
  int64_t steps = 100;         ///< of the path; the paper's code takes 200 steps of first order
  double fraction = 0.25;      ///< of the values that move at once, those of the smallest |derivative|
  double max_distance = 0.02;  ///< from the straight path, as a share of each value's way
  Baseline baseline = {};      ///< where the path starts
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> guided_ig(const DifferentiableScorer& scorer, const Tensor& inputs,
                                   const GuidedIgOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> guided_ig(const Model& model, const Image& image, const std::string& target = "top1",
                                   const GuidedIgOptions& options = {});

}  // namespace vitrail
