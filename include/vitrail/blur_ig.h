#pragma once

// Blur Integrated Gradients: the score's rise as the photo comes into focus, divided among the pixels.
//
//   z(s) = the input under a Gaussian of s pixels,     phi = sum over channels of integral over s of dg/dz(z(s)) dz/ds
//   from s = sigma (hardly anything is left) to s = 0 (the input)
//
// The path of Integrated Gradients fades the photo in from a colour that somebody chose; this one needs no baseline and
// adds no light that was not there: along it, details appear. The integral is a trapezoidal sum over points
// s_k = sigma (k / steps)^2, closest where the photo is nearly sharp, taken from the sharp end.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        steps + 1 forwards, and as many backwards a target.
// Guarantees  deterministic; adds up to score - score(blurred) within the reported gap; exact for a quadratic score.
//             Stopped early: the part of the path next to the input, with a warning and without a gap.
// Errors      as saliency.
// Paper       Xu, Venugopalan, Sundararajan: Attribution in Scale and Space, CVPR 2020. (Its code takes equal steps of
// s and
//             a numerical derivative of the blur; both have this integral as their limit.)

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct BlurIgOptions {
  int64_t steps = 64;  ///< intervals of the path
  double sigma = 0;    ///< the strongest blur, pixels; 0: 50 at 224 pixels, in proportion to the shorter side
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> blur_ig(const DifferentiableScorer& scorer, const Tensor& inputs,
                                 const BlurIgOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> blur_ig(const Model& model, const Image& image, const std::string& target = "top1",
                                 const BlurIgOptions& options = {});

}  // namespace vitrail
