#pragma once

// Is one method better than another? Both are scored on the same images, so the images' own difficulty cancels in the
// differences d = a - b.
//
//   interval     BCa, of the mean difference (vitrail/bootstrap.h)
//   p            sign-flip permutation test: if the methods are alike, every d might as well be -d.
//                p = share of the sign patterns with |sum of +-d| >= |sum of d|. All 2^n patterns up to n = 14, else
//                the observed one and 9999 drawn ones: p is never 0
//   p_wilcoxon   the same with signed ranks of |d| in the place of d, zeros dropped (Wilcoxon): outliers count less
//   effect       mean d / standard deviation of d (Cohen's d_z)
//   share_better share of the images on which the first method is better, ties counting half
//   p_adjusted   Holm, over all pairs that are compared: with probability `level` no verdict is an accident
//
// Verdict: a method is better only where the interval excludes 0 and p_adjusted < 1 - level (0.05). Images on which a
// method has no finite score are left out of its pairs and counted.
//
// Sources     Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 15; Wilcoxon, Individual Comparisons
//             by Ranking Methods, 1945; Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

#include <vitrail/bootstrap.h>
#include <vitrail/metric.h>

#include <cstdint>
#include <span>
#include <vector>

namespace vitrail {

enum class Verdict { first_better, second_better, open };

struct PairedComparison {
  int64_t first = 0, second = 0;  ///< methods
  Aggregate difference;           ///< of the scores, first - second, in their unit
  double p = 0, p_wilcoxon = 0;   ///< two-sided; NaN where no image has both scores
  double p_adjusted = 0;
  double effect = 0;        ///< sign of the difference; NaN where all differences are equal
  double share_better = 0;  ///< NaN where no image has both scores
  Verdict verdict = Verdict::open;
};

/// Every pair of methods, in the order (0,1), (0,2), ..., (1,2), .... `scores`: one list a method, one score an image.
std::vector<PairedComparison> compare_methods(const std::vector<std::vector<double>>& scores, Direction direction,
                                              const BootstrapOptions& options = {});

/// The p-values that answer for all of them together, in the same order. NaN stays NaN and counts as no test.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace vitrail
