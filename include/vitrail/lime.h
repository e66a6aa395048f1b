#pragma once

// LIME: a linear model of the score around the image, region by region.
//
// Random coalitions z in {0,1}^d say which regions show, each with probability `keep`. The value of a region is its
// coefficient in the weighted ridge regression
//
//   min over a, b of  sum_m w_m (g(x_m) - a - b . z_m)^2 + ridge |b|^2,    w = exp(-(D / D_all)^2 / width^2),
//
// where D is the Euclidean distance of the masked image from the image, in the model's input space, and D_all that of
// the image hidden as a whole. So the width is a share of that distance, whatever the image's size and scaling; 1 or
// more tells near from far coalitions little, .2 keeps only those that hide little. (D^2 is taken as the sum over the
// hidden regions of the squared distances of each hidden alone: exact unless what is hidden depends on the mask.)
// Where all weights underflow, all count alike and the result says so.
//
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        of the target (logit); signed. The ridge shrinks: it is added to the sum of the weights.
// Cost        `samples` forwards, shared by all targets; less where a coalition comes twice (up to 16 regions), or
// where
//             `tolerance` or `top` is reached.
// Error       the jackknife over 20 groups of samples (Student t with 19 degrees of freedom), without the ridge's bias.
// Guarantees  sample m is a function of (seed, m): results do not depend on batch or threads. Anytime. For a linear
//             score and no ridge w_i (x_i - b_i) exactly. `plan["explained"]` is the share of the (weighted) variance
//             that the linear model explains, `plan["effective_samples"]` how many unweighted samples know as much.
// Paper       Ribeiro, Singh, Guestrin: "Why Should I Trust You?", KDD 2016.

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

struct LimeOptions {
  int64_t grid = 8;         ///< cells along a side, at most 32; of slic, the root of the number of superpixels
  int64_t samples = 1000;   ///< forwards at most
  double keep = 0.5;        ///< probability that a region shows
  double width = 0.5;       ///< of the similarity, as a share of the distance of the image hidden as a whole
  double ridge = 1;         ///< penalty of the squared coefficients; 0: plain least squares
  bool antithetic = false;  ///< samples in pairs, the second from the mirrored random numbers; masks then oppose
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};  ///< what shows where a region does not
  double tolerance = 0;    ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;         ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> lime(const Scorer& scorer, const Tensor& inputs, const LimeOptions& options = {},
                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> lime(const Model& model, const Image& image, const std::string& target = "top1",
                              const LimeOptions& options = {});

}  // namespace vitrail
