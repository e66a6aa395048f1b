#pragma once

// Derivative-based global sensitivity: the mean absolute derivative of the score with respect to each cell's fade
// level, over randomly faded images. One backward gives the derivative for every cell at once:
//
//   g_i(M) = d g(x M + (1 - M) b) / d M_i,     value_i = mean_n |g_i(M_n)|.
//
// 64 gradients rank the cells of an 8 x 8 grid about as well as the usual 2080 forwards of `sobol` (mean rank
// correlation with a converged map .87 and .85 against .87 and .84 on two nets), in a quarter to two fifths of their
// time (`make bench-sensitivity`); the finer the grid, the more is gained, for the number of cells costs nothing. A
// gradient costs two and a half to three forwards of whole images by the plan, and six to eleven of those of `sobol`
// and `morris`, which compute only what a cell changes. But the limit is E|d_i g| and not the total-order index:
// beyond some number more gradients do not come nearer. The random fades do the work: a single gradient at the photo
// itself says little.
//
// The mean of the signed derivatives comes from the same gradients and is kept beside: `extras["signed_mean"]`. With
// `signed_mean` it is the map.
//
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit) from hidden to shown; unsigned (signed with `signed_mean`).
// Cost        samples forwards and samples backwards a target, for any number of cells.
// Guarantees  contexts are a function of (seed, replicate); standard errors over replicates; anytime.
// Paper       Sobol', Kucherenko, Derivative based global sensitivity measures and their link with global
//             sensitivity indices, Mathematics and Computers in Simulation 79(10), 2009.

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

struct DgsmOptions {
  int64_t grid = 8;        ///< cells along a side; fine grids cost nothing more
  int64_t samples = 16;    ///< gradients of one replicate; a power of two for owen
  int64_t replicates = 4;  ///< independent sets of contexts at most
  Sampler sampler = Sampler::owen;
  bool signed_mean = false;  ///< the mean derivative instead of the mean absolute one
  double smoothing = 0;      ///< share of the neighbours' mean in each cell of a grid; .2 ranked .01 to .02 better
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};
  Operation operation = Operation::inpainting;
  double tolerance = 0;  ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;       ///< stop when the set of this many largest cells is known; 0: do not
};

/// The blend of both: sqrt(J) / mean sqrt(J) of `morris` and dgsm / mean dgsm, half and half. On two nets 584 forwards
/// and 64 gradients ranked cells (.90 and .87) like the 1040 forwards of morris (.88 and .87), in about their time
/// (`make bench-sensitivity`).
struct DgsmMorrisOptions {
  int64_t grid = 8;
  int64_t designs = 2;     ///< points of one replicate of the steps
  int64_t samples = 16;    ///< gradients of one replicate
  int64_t replicates = 4;  ///< of both
  double smoothing = 0;    ///< share of the neighbours' mean in each cell of a grid
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};
  Operation operation = Operation::inpainting;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> dgsm(const DifferentiableScorer& scorer, const Tensor& inputs, const DgsmOptions& options = {},
                              const Execution& execution = {});
std::vector<Explanation> dgsm_morris(const DifferentiableScorer& scorer, const Tensor& inputs,
                                     const DgsmMorrisOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> dgsm(const Model& model, const Image& image, const std::string& target = "top1",
                              const DgsmOptions& options = {});
std::vector<Explanation> dgsm_morris(const Model& model, const Image& image, const std::string& target = "top1",
                                     const DgsmMorrisOptions& options = {});

}  // namespace vitrail
