#pragma once

// How many images are enough? Images are scored in steps; after each step (a look) every pair of methods is decided or
// stays open, and the evaluation stops when none is open. Looking often would call accidents differences; here the
// chance of an error is spent over the looks, so that it stays below `alpha` over all looks and all pairs, however long
// the evaluation goes on:
//
//   look k spends alpha_k = alpha 6 / (pi^2 k^2)             they sum to alpha
//   interval of a pair = mean d +- t sqrt(var d / n)         Student's, at level 1 - alpha_k / pairs; d = a - b
//   different   the interval excludes 0
//   equivalent  else, the interval lies within +-margin: the difference is too small to matter
//   open        else, and where all differences are equal: they tell nothing of the spread. But n equal differences
//               that are not 0 are different once their sign test, 2^(1 - n), is as small as alpha_k / pairs
//
// A decision stays as it was taken first. Intervals are Student's and not those of the bootstrap, whose tails are too
// short at such levels and few images. They are exact for normal differences and wide for symmetric ones with long
// tails; differences that are mostly alike but for a few large ones ask for a later first look. Images on which a
// method has no finite score are left out of its pairs.
//
// Source      Bonferroni's inequality over looks and pairs; alpha spending: Lan, DeMets, Discrete Sequential Boundaries
//             for Clinical Trials, 1983.

#include <cstdint>
#include <vector>

namespace vitrail {

struct SequentialOptions {
  double alpha = 0.05;              ///< chance of any wrong decision
  double margin = 0;                ///< differences of this size do not matter, in the unit of the score; 0: all matter
  std::vector<int64_t> looks = {};  ///< numbers of images, increasing; empty: 16, 32, 64, ...
};

enum class Decision { open, different, equivalent };

struct PairDecision {
  int64_t first = 0, second = 0;  ///< methods
  Decision decision = Decision::open;
  int64_t images = 0;        ///< at the look of the decision, or at the last look; 0 before the first
  double low = 0, high = 0;  ///< of the mean difference first - second at that look; NaN where all d are equal
};

struct SequentialResult {
  std::vector<PairDecision> pairs;  ///< (0,1), (0,2), ..., (1,2), ...
  bool settled = false;             ///< no pair is open
  int64_t next_look = 0;            ///< images to score next, all in all; 0: settled, or no look is left
};

/// `scores`: one list a method, one score an image, in the order in which images were added. Looks that the lists are
/// too short for are still to come.
SequentialResult decide_sequentially(const std::vector<std::vector<double>>& scores,
                                     const SequentialOptions& options = {});

/// alpha_k of look k = 1, 2, ....
double spent_alpha(double alpha, int64_t look);

}  // namespace vitrail
