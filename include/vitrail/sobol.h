#pragma once

// Sobol attribution: the share of the score's variance, under random fading of the image's cells, that
// disappears when a cell stops varying.
//
// A mask M in [0,1]^d fades each of the d = grid^2 cells of the image independently towards the baseline,
// Y = g(x M + (1 - M) b). The total-order index of cell i,
//
//   ST_i = E[ Var(Y | all but M_i) ] / Var(Y)  ~  mean_n (y_A - y_Ci)^2 / (2 Var(y_A)),
//
// counts the cell's own effect and every interaction it takes part in, so occluders that only matter
// together are found. The sum of the indices is at least 1, and is 1 for a score without interactions;
// for a linear score ST_i = (w_i x_i)^2 / sum_j (w_j x_j)^2.
// A and B are two halves of one design of N points in 2d dimensions, C_i is A with cell i from B; the
// estimator is Jansen's, or another by `estimator`. y_B enters no total-order estimator and is computed for first-order
// indices only. Cells are those of a grid, or regions of any shape.
//
// The design is randomised `replicates` times independently. Numerator and variance are means over all points
// of all replicates; the standard error is the delta method's over the replicates (Student t with R - 1
// degrees of freedom). One replicate: over its points.
//
// Shapes      map and standard error [H,W], cubic enlargements of the grid cut off at 0 (between the centres of two
//             cells the error is on the safe side: it is interpolated as if theirs moved together); cells [grid,grid].
// Unit        share of variance; unsigned: a cell that speaks against the target is as important.
// Cost        designs x replicates x (grid^2 + 1) forwards (2080 at the defaults), shared by all targets; less where
//             `tolerance` or `top` is reached after fewer replicates (allow 16 or more: an interval from few is wide).
// Guarantees  points are a function of (seed, replicate): results do not depend on batch or threads. All chunks
//             have the same size, so that y_A and y_C come from the same kernels. Anytime: stopped early,
//             finished replicates count; before the first is finished, its finished points (at least
//             two) do. A score that does not vary gives a zero map and says so.
// Paper       Fel, Cadene, Chalvidal, Cord, Vigouroux, Serre: Look at the Variance!, NeurIPS 2021.
//             Estimator: Jansen, Computer Physics Communications 117, 1999.

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

/// Which index of a cell, and how it is estimated; f0 and V are the mean and the variance of y_A.
enum class IndexEstimator {
  jansen,       ///< total order, mean (y_A - y_Ci)^2 / (2 V) (default)
  janon,        ///< total order, 1 - (mean y_A y_Ci - f_i^2) / V_i, mean and variance over y_A and y_Ci together
  glen_isaacs,  ///< total order, 1 - correlation of y_A and y_Ci
  homma,        ///< total order, 1 - (mean y_A y_Ci - f0^2) / V, also known as Saltelli's; needs many points
  first_order   ///< the cell's own effect, mean y_B (y_Ci - y_A) / V; takes designs x replicates more forwards
};

struct SobolOptions {
  int64_t grid = 8;        ///< cells along a side: the resolution of the map; cost grows with its square
  int64_t designs = 8;     ///< points N of one replicate, at least 2
  int64_t replicates = 4;  ///< independent designs at most: what the standard error is made of
  Sampler sampler = Sampler::lhs;
  IndexEstimator estimator = IndexEstimator::jansen;
  uint64_t seed = 1;
  Regions regions = {};    ///< a grid, superpixels, or a label map
  Baseline baseline = {};  ///< what the cells fade to
  Operation operation = Operation::inpainting;
  double tolerance = 0;  ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;       ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> sobol(const Scorer& scorer, const Tensor& inputs, const SobolOptions& options = {},
                               const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> sobol(const Model& model, const Image& image, const std::string& target = "top1",
                               const SobolOptions& options = {});

}  // namespace vitrail
