#pragma once

// Correlations of what a map says of a subset of the pixels with what hiding it does to the score:
//
//   corr over S ( sum of phi_i over S,  g(x) - g(x with S hidden) )
//
//   mu_fidelity               S: cells of a grid, each with probability `share` or a fixed number of them
//   faithfulness_correlation  S: `size` pixels at random
//   sensitivity_n             S: n pixels at random, for several n: the mean of the correlations, and their curve
//
// A linear model explained by w x (baseline zero) has a correlation of 1.
//
// Direction   higher is better.
// Cost        subsets + 1 forwards (a size).
// Undefined   where all drops or all sums are equal.
// Source      Bhatt, Weller, Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020 (fixed
//             subsets, pixels); Fel, Vigouroux, Cadene, Serre, How Good is your Explanation?, WACV 2022 (cells);
//             Ancona, Ceolini, Oeztireli, Gross, Towards Better Understanding of Gradient-based Attribution Methods,
//             ICLR 2018 (sensitivity-n).

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

enum class Correlation { spearman, pearson };

enum class SubsetRule {
  bernoulli,  ///< every cell with probability `share`
  fixed       ///< floor(share x cells) cells
};

struct MuFidelityOptions {
  int64_t grid = 9;  ///< cells along a side
  int64_t subsets = 200;
  double share = 0.2;  ///< of the cells that a subset has
  SubsetRule rule = SubsetRule::bernoulli;
  Correlation correlation = Correlation::spearman;
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
  uint64_t seed = 1;
};

struct FaithfulnessCorrelationOptions {
  int64_t subsets = 100;
  int64_t size = 224;  ///< pixels of a subset
  Correlation correlation = Correlation::pearson;
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
  uint64_t seed = 1;
};

struct SensitivityNOptions {
  int64_t sizes = 8;     ///< of subsets, evenly spaced from most / sizes to most
  double most = 0.8;     ///< share of the pixels that the largest subsets have
  int64_t subsets = 50;  ///< of a size
  Correlation correlation = Correlation::pearson;
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
  uint64_t seed = 1;
};

MetricScore mu_fidelity(const MetricCase& map, const MuFidelityOptions& options = {});
MetricScore faithfulness_correlation(const MetricCase& map, const FaithfulnessCorrelationOptions& options = {});
MetricScore sensitivity_n(const MetricCase& map, const SensitivityNOptions& options = {});

}  // namespace vitrail
