#pragma once

// The words that perturbation methods share: how points of a design are drawn, and what a cell's value does to the
// image. See Baseline and Regions for the other two.

namespace vitrail {

/// How the points of a design are drawn.
enum class Sampler {
  lhs,          ///< Latin hypercube: every fade level of a cell is tried evenly; best with few points
  owen,         ///< Sobol' sequence under Owen's nested uniform scrambling; points a power of two
  halton,       ///< Halton sequence, digits permuted at random; worse than lhs in many dimensions
  monte_carlo,  ///< independent points
  sobol         ///< plain Sobol' sequence, the origin first: for comparison with implementations that use it
};

/// What the value M of a cell does to its pixels x; b is the baseline.
enum class Operation {
  inpainting,       ///< x M + (1 - M) b
  amplitude,        ///< x + (M - 1/2)
  amplitude_legacy  ///< x (M - 1/2)
};

/// How many of d regions a coalition shows, from 1 to d - 1.
enum class CoalitionSizes {
  kernel,   ///< k regions with a probability proportional to 1 / (k (d - k)), as the Shapley kernel weighs them
  leverage  ///< every size alike, as the leverages of all coalitions would have it; the kernel weighs the scores
};

}  // namespace vitrail
