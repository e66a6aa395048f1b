#pragma once

// RISE: show random parts of the image and average the masks, weighted by the score they get.
//
// Masks M_m in [0,1]^(H x W): a grid of independent bits, one with probability `keep`, enlarged bilinearly and
// cut out at a random place, so that no edge of the grid stays visible. The value of a pixel is the
// mean score of the images in which it was shown:
//
//   v(p) = sum_m g(x M_m + (1 - M_m) b) M_m(p) / sum_m M_m(p).
//
// That is a score, not a difference: zero has no meaning, the map is called unsigned and is read by
// comparing pixels. (For a linear score and masks of one cell a pixel the limit is
// E g + (1 - keep) w_p (x_p - b_p); `plan["mean_score"]` is the estimate of E g.)
// The standard error is that of a ratio of means over independent masks,
// sqrt(sum_m M_m(p)^2 (g_m - v(p))^2) / sum_m M_m(p).
//
// Shapes      map and standard error [H,W]; no cells.
// Unit        of the target (logit).
// Cost        `masks` forwards, shared by all targets. Sums are kept in double precision and their size does not
//             depend on the number of masks.
// Guarantees  mask m is a function of (seed, m): results do not depend on batch or threads. Anytime: stopped
//             early, the map of the masks done so far with its own standard error.
// Paper       Petsiuk, Das, Saenko: RISE, BMVC 2018.

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

struct RiseOptions {
  int64_t masks = 2000;  ///< forwards; the error falls with its root. 1000 for a glance, 8000 as published
  int64_t grid = 7;      ///< cells along a side of a mask: the size of what is hidden together
  double keep = 0.5;     ///< probability that a cell is shown; less for models that are sure of little
  uint64_t seed = 1;
  Baseline baseline = {};  ///< what shows where the image does not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> rise(const Scorer& scorer, const Tensor& inputs, const RiseOptions& options = {},
                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> rise(const Model& model, const Image& image, const std::string& target = "top1",
                              const RiseOptions& options = {});

}  // namespace vitrail
