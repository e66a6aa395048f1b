#pragma once

// XRAI: which regions of the photo the score's rise comes from.
//
//   a = mean of integrated gradients from black and from white, summed over channels
//   regions = superpixels of several sizes; again and again the region with the largest mean of a over its pixels that
//   are not covered yet is taken, and those pixels get that mean
//
// Integrated gradients are right in sum and noisy pixel by pixel; regions that follow the photo's edges average the
// noise away, and two baselines let neither dark nor bright objects count as absent. The map is constant on pieces of
// regions and still adds up to the mean rise from both baselines.
//
// The regions are SLIC superpixels (regions.h), `finest`^2 of them and half as many, `divisions` times. The paper takes
// Felzenszwalb's segments at six scales, grown by five pixels, so that they overlap the edges; SLIC is what the other
// methods here use, its regions are of similar sizes, and they are not grown. As in its code, a region counts only
// while it adds at least a thousandth of the photo; what is left then is taken in the same order.
//
// Shapes      map [H,W]; no cells; extras `attribution` [H,W]: a, before regions.
// Unit        of the target (logit) per pixel; signed.
// Cost        as integrated_gradients, for each of the two baselines.
// Guarantees  deterministic. Completeness on the mean of both rises within the reported gap. Stopped early: as
//             integrated_gradients.
// Errors      as saliency.
// Paper       Kapishnikov, Bolukbasi, Viegas, Terry: XRAI: Better Attributions Through Regions, ICCV 2019.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct XraiOptions {
  int64_t finest = 16;      ///< root of the number of the smallest superpixels; at most as many as the shorter side
  int64_t divisions = 5;    ///< each has half as many superpixels as the one before
  int64_t steps = 8;        ///< equal intervals of each path to begin with,
  int64_t max_steps = 128;  ///< intervals at most, and
  double tolerance = 0.01;  ///< largest completeness gap, as in integrated_gradients
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> xrai(const DifferentiableScorer& scorer, const Tensor& inputs, const XraiOptions& options = {},
                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> xrai(const Model& model, const Image& image, const std::string& target = "top1",
                              const XraiOptions& options = {});

}  // namespace vitrail
