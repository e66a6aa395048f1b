#pragma once

// KernelSHAP: Shapley values of the image's regions, as the coefficients of a linear model of the score.
//
// With v(S) the score of the image in which the regions S show, the Shapley value of region i,
//
//   phi_i = sum over S without i of |S|! (d - 1 - |S|)! / d! (v(S + i) - v(S)),
//
// is the solution of the least squares problem min sum_S k(S) (v(S) - v(none) - sum_{i in S} phi_i)^2 under the
// constraint sum phi = v(all) - v(none), with the Shapley kernel k(S) = (d - 1) / (C(d,|S|) |S| (d - |S|)). Coalitions
// are drawn, each together with its complement: of a pair only the odd part (v(S) - v(complement)) / 2 speaks of phi,
// and the even part, all interactions of even order, cancels. The gain that goes with the mere number of regions shown,
// whichever they are, is most of what is left on a network; odd powers of that number take it up, which changes no
// value in the limit, since they are uncorrelated with which regions show. What remains is solved in the space of sum
// zero around the equal share (v(all) - v(none)) / d, towards which a cross-validated ridge pulls.
//
// Measured with 8 x 8 cells on four pairs of net and photo (MobileNet v1 and v2, Tiny Darknet), rank correlation with
// converged values: 512 forwards in pairs and with the trend reach what 1000 to more than 2000 forwards reach one by
// one without it, both with the ridge. Sizes by leverage were better than by kernel on the one photo where both were
// compared (.80 against .76); `shapley` with as many forwards was worse there and better on another (.63, .79), and has
// no bias.
//
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit); signed. The cells sum to score - score of the baseline, whatever the budget
//             (`completeness_gap` is rounding).
// Cost        coalitions + 2 forwards, shared by all targets; less where a coalition comes twice (few regions), or
//             where `tolerance` or `top` is reached.
// Error       the jackknife over 20 groups of pairs (Student t with 19 degrees of freedom), widened by what the ridge
//             biases the values in the mean over regions: intervals hold small values more often than large ones.
// Guarantees  coalition m is a function of (seed, m): results do not depend on batch or threads. Anytime.
// Papers      Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, NeurIPS 2017. Pairs: Covert, Lee,
//             Improving KernelSHAP, AISTATS 2021. Sizes by leverage: Musco, Witter, Provably Accurate Shapley Value
//             Estimation via Leverage Score Sampling, ICLR 2025.

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

struct KernelShapOptions {
  int64_t grid = 8;          ///< cells along a side, at most 32
  int64_t coalitions = 512;  ///< forwards at most, besides those of the image and its baseline
  CoalitionSizes sizes = CoalitionSizes::leverage;
  bool paired = true;  ///< every coalition with its complement
  bool ridge = true;   ///< shrink as cross-validation says; false: plain least squares, which needs many coalitions
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};  ///< what shows where a region does not
  double tolerance = 0;    ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;         ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> kernel_shap(const Scorer& scorer, const Tensor& inputs, const KernelShapOptions& options = {},
                                     const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> kernel_shap(const Model& model, const Image& image, const std::string& target = "top1",
                                     const KernelShapOptions& options = {});

}  // namespace vitrail
