#pragma once

// Feature ablation: hide one region at a time and see how much the score drops.
//
//   phi_i = g(x) - g(x with region i hidden)
//
// The occlusion of regions of any shape, each once: what a region contributes while all others show. Two regions that
// can stand in for each other both get nothing (see `shapley` for what is fair then).
//
// Shapes      map [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit); signed.
// Cost        regions + 1 forwards, shared by all targets.
// Guarantees  deterministic. For a linear score w_i (x_i - b_i) exactly. Stopped early: regions not tried count as 0;
// they
//             are tried in an order that is spread over the image.
// Source      the leave-one-covariate-out of tabular data; FeatureAblation of Captum.

#include <vitrail/baseline.h>
#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/regions.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct FeatureAblationOptions {
  int64_t grid = 8;        ///< cells along a side; of slic, the root of the number of superpixels
  Regions regions = {};    ///< a grid, superpixels, or a label map
  Baseline baseline = {};  ///< what shows where a region does not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> feature_ablation(const Scorer& scorer, const Tensor& inputs,
                                          const FeatureAblationOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> feature_ablation(const Model& model, const Image& image, const std::string& target = "top1",
                                          const FeatureAblationOptions& options = {});

}  // namespace vitrail
