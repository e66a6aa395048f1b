#pragma once

// RISE: show random parts of the image, and give every pixel the mean score of the images in which it was shown.
//
// Masks M_m in [0,1]^(H x W): a grid of independent bits, one with probability `keep`, enlarged bilinearly and
// cut out at a random place, so that no edge of the grid stays visible.
//
//   mean            v(p) = sum_m g(x M_m + (1 - M_m) b) M_m(p) / sum_m M_m(p),                 as published
//   least_squares   v(p) = a + (1 - keep) sum_c b_c cov_c(p)                                   (default)
//
// The second is the same limit, E g + Cov(g, M(p)) / keep, for the linear model g ~ a + sum_c b_c (P_c - keep) of the
// mask's means P_c over the cells of a fixed grid; cov_c(p) is the exact covariance of P_c and M(p) in units of
// keep (1 - keep). What the other cells explain is then no noise of this one. On four
// pairs of net and photo (MobileNet v1 and v2, Tiny Darknet), against converged means, it ranked cells at 256 masks as
// the mean does at 430 to 1300, and its limit was that of the mean within the noise of 4000 masks. A ridge,
// cross-validated, keeps it from failing with few masks; it pulls towards a flat map.
//
// The value is a score, not a difference: zero has no meaning, the map is called unsigned and is read by
// comparing pixels. (For a linear score and masks of one cell a pixel the limit is
// E g + (1 - keep) w_p (x_p - b_p); `plan["mean_score"]` is the mean score of the masks, E g.)
//
// Shapes      map and standard error [H,W]; no cells.
// Unit        of the target (logit).
// Cost        `masks` forwards, shared by all targets; less where `tolerance` or `top` is reached for the means of the
// map
//             over the grid's cells. Sums are kept in double precision and their size does not depend on the number of
//             masks.
// Error       mean: that of a ratio of means over independent masks, or pairs of masks,
//             sqrt(sum_m M_m(p)^2 (g_m - v(p))^2) / sum_m M_m(p). least_squares: the jackknife over 20 groups of masks
//             (Student t with 19 degrees of freedom), which does not hold the bias of the ridge.
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

enum class RiseReadout { least_squares, mean };

struct RiseOptions {
  int64_t masks = 2000;  ///< forwards; the error falls with its root. 1000 for a glance, 8000 as published
  int64_t grid = 7;      ///< cells along a side of a mask: the size of what is hidden together
  double keep = 0.5;     ///< probability that a cell is shown; less for models that are sure of little
  RiseReadout readout = RiseReadout::least_squares;
  bool antithetic = false;  ///< masks in pairs: the second is the first with its bits mirrored
  uint64_t seed = 1;
  Baseline baseline = {};  ///< what shows where the image does not
  double tolerance = 0;    ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;         ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> rise(const Scorer& scorer, const Tensor& inputs, const RiseOptions& options = {},
                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> rise(const Model& model, const Image& image, const std::string& target = "top1",
                              const RiseOptions& options = {});

}  // namespace vitrail
