#pragma once

// Occlusion: hide one window of the image and see how much the score drops.
//
// A window of `patch` x `patch` pixels moves over the image in steps of `stride`. The drop of window a is
//
//   d_a = g(x) - g(x with window a replaced by the baseline),
//
// and the value of a pixel is the sum of d_a over the windows that cover it. Overlapping windows add:
// for a linear score and windows of one pixel the map is w_i (x_i - b_i) exactly. `normalise_coverage`
// divides by the number of windows instead, which makes the unit "logit per window" everywhere.
//
// Windows start at 0, stride, 2 stride, ...: ceil((L - patch + 1) / stride) along a side of L pixels, whole windows
// only. Pixels past the last window read 0.
//
// Shapes      map [H,W]; cells [rows,columns], the drops d_a.
// Unit        of the target (logit); signed: positive where hiding hurts the target.
// Cost        1 + rows x columns forwards (about 170 at the defaults), shared by all targets.
// Guarantees  deterministic. A window replaces pixels outright: a NaN under it cannot leak. Stopped early
//             by a budget, the windows not tried (spread evenly over the image) count as 0.
// Paper       Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014.

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

struct OcclusionOptions {
  /// Side of the window in pixels. 0: a seventh of the shorter side, about the size of a part of an object;
  /// the 3 pixels of older tools need thousands of forwards and change too little for the score to move.
  int64_t patch = 0;
  /// Step of the window in pixels. 0: half of the patch, so that an edge of a window is the middle of the next.
  int64_t stride = 0;
  /// What the window is filled with.
  Baseline baseline = {};
  /// Divide by the number of windows that cover a pixel.
  bool normalise_coverage = false;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest. Throws UsageError for a patch
/// that is larger than the image.
std::vector<Explanation> occlusion(const Scorer& scorer, const Tensor& inputs, const OcclusionOptions& options = {},
                                   const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> occlusion(const Model& model, const Image& image, const std::string& target = "top1",
                                   const OcclusionOptions& options = {});

}  // namespace vitrail
