#pragma once

// Morris screening with steps of one half: how far the score moves when one cell of a randomly faded image changes.
//
//   C_i is A with A_i replaced by (A_i + 1/2) modulo 1,     value_i = sqrt( mean_n (y_A - y_Ci)^2 ).
//
// Every step has the same length, so the noise that pairs of random distance bring to `sobol` is gone: half the
// forwards, and half the time, for the same order of the cells (`make bench-sensitivity`: rank correlation with a
// converged map .88 on two nets, with 1040 forwards as with sobol's 2080). It is a proxy of the total-order index, not
// that index: odd responses weigh more, and the values are changes of the score, not shares of its variance.
//
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit): a root mean square change; unsigned.
// Cost        designs x replicates x (grid^2 + 1) forwards (1040 at the defaults), shared by all targets.
// Guarantees  as sobol: points are a function of (seed, replicate), standard errors over replicates, anytime.
// Paper       Morris, Factorial Sampling Plans for Preliminary Computational Experiments, Technometrics 33(2), 1991.

#include <vitrail/baseline.h>
#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/perturbation.h>
#include <vitrail/regions.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct MorrisOptions {
  int64_t grid = 8;        ///< cells along a side
  int64_t designs = 4;     ///< points of one replicate
  int64_t replicates = 4;  ///< independent designs at most
  Sampler sampler = Sampler::lhs;
  double smoothing = 0;  ///< share of the neighbours' mean in each cell of a grid; .2 ranked .02 better on photos
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};
  Operation operation = Operation::inpainting;
  double tolerance = 0;  ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;       ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> morris(const Scorer& scorer, const Tensor& inputs, const MorrisOptions& options = {},
                                const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> morris(const Model& model, const Image& image, const std::string& target = "top1",
                                const MorrisOptions& options = {});

}  // namespace vitrail
