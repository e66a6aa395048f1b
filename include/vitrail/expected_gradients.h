#pragma once

// Expected gradients (GradientSHAP): integrated gradients averaged over many baselines, by sampling.
//
//   phi = E over x0, a of sum over channels of (x - x0) dg/dx(x0 + a (x - x0)),   a ~ U(0,1)
//   x0 = baseline + noise of standard deviation sigma, one draw of x0 and a a sample
//
// No single baseline decides what counts as absent, and no path is followed to the end: every sample is one
// gradient at a random place between a random baseline and the input. In expectation the map adds up to
// g(x) - E g(x0). sigma is `noise` times the range of the input (largest minus smallest value); noise=0 leaves one
// baseline, and the map is that of Integrated Gradients by Monte Carlo.
//
// Shapes      map and standard error [H,W]; no cells.
// Unit        of the target (logit); signed.
// Cost        1 + 2 samples forwards (the baselines are scored for the gap), samples backwards a target.
// Guarantees  sample i is a function of (seed, i): results do not depend on batch or threads. Unbiased; the standard
//             error falls with the root of `samples`. The completeness gap is the map's sum less g(x) - mean
//             g(x0) over the baselines drawn: zero in expectation. Linear score: w_i (x_i - mean x0_i), without gap.
//             Anytime: stopped early, the map of the samples done so far.
// Errors      as saliency.
// Paper       Erion, Janizek, Sturmfels, Lundberg, Lee: Improving performance of deep learning models with axiomatic
//             attribution priors and expected gradients, Nature Machine Intelligence 2021.

#include <vitrail/baseline.h>
#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

/// Of the noise on the baseline; both have standard deviation sigma.
enum class BaselineNoise { normal, uniform };

struct ExpectedGradientsOptions {
  int64_t samples = 200;  ///< pairs of a baseline and a place on the way from it
  double noise = 0.15;    ///< sigma as a share of the input's range
  BaselineNoise distribution = BaselineNoise::normal;
  Baseline baseline = {};  ///< the centre of the baselines
  uint64_t seed = 1;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> expected_gradients(const DifferentiableScorer& scorer, const Tensor& inputs,
                                            const ExpectedGradientsOptions& options = {},
                                            const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> expected_gradients(const Model& model, const Image& image, const std::string& target = "top1",
                                            const ExpectedGradientsOptions& options = {});

}  // namespace vitrail
