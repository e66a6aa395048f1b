#pragma once

// Shapley values of the image's regions: sampled, of every coalition, or of nested halves of the image (Owen values).
//
// With v(S) the score of the image in which the regions S show, the Shapley value of region i is what it adds when it
// joins the regions before it in an order, averaged over all d! orders:
//
//   phi_i = mean over orders of v(before i, and i) - v(before i).
//
// It is the one attribution that sums to v(all) - v(none), is linear in the score, gives nothing to a region that
// changes nothing, and the same to two regions that are exchangeable.
//
//   shapley         random orders, each followed by its reverse; neighbouring coalitions differ in one region
//   exact_shapley   all 2^d coalitions: for up to 16 regions
//   owen            Owen values: only orders in which the regions of one half of the image, one half of a half ...
//                   stay together. The halves of every part are compared while some of its neighbours show: in two
//                   opposed contexts first (252 forwards for 64 regions; exact where regions act alone or in pairs),
//                   then in two more (492), and in the end in all of them (2732): the exact Owen values. A region that
//                   shares an object with its neighbours gets another value than its Shapley value: what is fair is
//                   decided half by half.
//
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit); signed. The cells sum to score - score of the baseline at any budget
//             (`completeness_gap` is rounding).
// Errors      `exact_shapley` of more than 16 regions: UsageError.
// Papers      Shapley, A Value for n-Person Games, 1953. Sampling: Castro, Gomez, Tejada, Polynomial calculation of the
//             Shapley value based on sampling, Computers & OR 2009. Owen, Values of Games with a Priori Unions, 1977;
//             for images: the Partition explainer of Lundberg's SHAP.

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

/// Cost: permutations x d forwards at most (each order adds one without its reverse); less where `tolerance` or `top`
/// is reached. Neighbouring coalitions differ in one region, so that a model's plan may compute only what that changes
/// (Execution::incremental), of a batch of orders side by side. Standard error over the pairs of orders. Order m is a
/// function of (seed, m). Stopped early: the mean of the finished orders; of a batch side by side none is finished
/// before the others, and its forwards are not counted.
struct ShapleyOptions {
  int64_t grid = 8;           ///< cells along a side
  int64_t permutations = 16;  ///< orders, with the reversed ones: the error falls with the root of their number
  bool antithetic = true;     ///< each order is followed by its reverse, which cancels interactions of two regions
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};  ///< what shows where a region does not
  double tolerance = 0;    ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;         ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> shapley(const Scorer& scorer, const Tensor& inputs, const ShapleyOptions& options = {},
                                 const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> shapley(const Model& model, const Image& image, const std::string& target = "top1",
                                 const ShapleyOptions& options = {});

/// Cost: 2^d forwards. Deterministic and exact. Coalitions are scored by size, from none and all inwards; stopped
/// early, the value of a region is the mean over the sizes, and within a size over the coalitions, that are known.
struct ExactShapleyOptions {
  int64_t grid = 3;  ///< cells along a side: 512 forwards for 3, 65536 for 4
  Regions regions = {};
  Baseline baseline = {};
};

std::vector<Explanation> exact_shapley(const Scorer& scorer, const Tensor& inputs,
                                       const ExactShapleyOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> exact_shapley(const Model& model, const Image& image, const std::string& target = "top1",
                                       const ExactShapleyOptions& options = {});

/// Cost: `evaluations` + 2 forwards at most. Deterministic: no sampling, no standard error. Which contexts come first
/// does not depend on the scores, so that several targets share their forwards. Halves are weighed by the contexts done
/// so far; the regions of a part that no budget reached share its value equally.
struct OwenOptions {
  int64_t grid = 8;           ///< cells along a side
  int64_t evaluations = 490;  ///< forwards; of an 8 x 8 grid 250 compare all cells, 2730 in all contexts
  Regions regions = {};
  Baseline baseline = {};
};

std::vector<Explanation> owen(const Scorer& scorer, const Tensor& inputs, const OwenOptions& options = {},
                              const Execution& execution = {});
std::vector<Explanation> owen(const Model& model, const Image& image, const std::string& target = "top1",
                              const OwenOptions& options = {});

}  // namespace vitrail
