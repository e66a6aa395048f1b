#pragma once

// HSIC attribution: how strongly the score depends on whether a region shows, by the Hilbert-Schmidt independence
// criterion.
//
// Binary masks m_n say which regions show, y_n are the scores. With the Dirac kernel 1[m_a = m_b] on a region's bits
// and L_ab = exp(-(y_a - y_b)^2 / (2 w^2)) on the scores, H the centring,
//
//   HSIC_i = Tr(K H L H) / N^2 = (2 / N^2) m_i' H L H m_i,
//
// which is 0 in the limit exactly where the score is independent of bit i, however it might depend on it: its mean, its
// spread, anything. (Of N samples an independent bit has a value of the order of 1 / N.) Neither N x N x d nor N x N
// numbers are ever stored: L is made a block at a time.
//
// Read-outs   kernel      the formula above
//             regression  the same limit with less noise where bits are independent: the 6 leading features of the
//                         centred kernel of y are regressed on all bits at once, so that what the other regions
//                         explain is not noise of this one; HSIC_i = 2 Var(m_i)^2 sum of squared coefficients
// Shapes      map and standard error [H,W]; cells [grid,grid], or [1,regions].
// Unit        HSIC, no unit; unsigned: a region that speaks against the target is as important.
// Cost        designs x replicates forwards whatever the number of regions, shared by all targets; less where a mask
//             comes twice (up to 16 regions), or where `tolerance` or `top` is reached. N^2 x grid^2 operations beside.
//             What is kept grows with N by a byte a region and mask, and a number a target.
// Error       the jackknife over the replicates (Student t with R - 1 degrees of freedom; of one replicate over 16
// parts
//             of it). Near 0 the distribution is skewed, and the interval rough. It is an error of scatter: by how much
//             the value of N samples lies above the limit in the mean, of the order of 1 / N, is not in it. So
//             `tolerance` and `top` settle what N samples give in the mean, not the limit.
// Guarantees  masks are a function of (seed, replicate): results do not depend on batch or threads. Anytime.
// Paper       Novello, Fel, Vigouroux: Making Sense of Dependence, NeurIPS 2022.

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

/// The width w of the kernel of scores.
enum class KernelWidth {
  median_distance,  ///< the median distance of two scores (default)
  median_output     ///< the median score, as reference implementations have it: arbitrary, zero means nothing
};

enum class HsicReadout { kernel, regression };

struct HsicOptions {
  int64_t grid = 8;        ///< cells along a side, at most 32
  int64_t designs = 64;    ///< masks of one replicate
  int64_t replicates = 8;  ///< independent designs at most: what the standard error is made of
  Sampler sampler = Sampler::lhs;
  KernelWidth width = KernelWidth::median_distance;
  HsicReadout readout = HsicReadout::kernel;
  uint64_t seed = 1;
  Regions regions = {};
  Baseline baseline = {};  ///< what shows where a region does not
  double tolerance = 0;    ///< stop when every cell is known to this share of the map's range; 0: do not
  int64_t top = 0;         ///< stop when the set of this many largest cells is known; 0: do not
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> hsic(const Scorer& scorer, const Tensor& inputs, const HsicOptions& options = {},
                              const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> hsic(const Model& model, const Image& image, const std::string& target = "top1",
                              const HsicOptions& options = {});

}  // namespace vitrail
