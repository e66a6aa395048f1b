#pragma once

// SmoothGrad, SquareGrad and VarGrad: mean, mean square and variance of the score's gradient over noisy copies of the
// input.
//
//   g_i = dg/dx(x + xi_i),  xi_i ~ N(0, sigma^2)
//   smoothgrad   phi = mean of g_i
//   squaregrad   phi = mean of g_i^2
//   vargrad      phi = sum of (g_i - mean)^2 / (n - 1)
//
// SmoothGrad is the gradient of the score blurred by a Gaussian of width sigma: what remains is what the score is
// sensitive to in a neighbourhood and not at a point. SquareGrad keeps what changes its sign there, VarGrad keeps only
// what the noise changes: nothing, for a linear score. sigma is `noise` times the range of the input (largest minus
// smallest value): a share does the same for every preprocessing, which an absolute number does not.
//
// Every map is a mean of one term a sample, reduced over channels before averaging, so that the standard error is that
// of the map. VarGrad's term is (i - 1)/i (g_i - mean of those before)^2 for i = 2 .. n: Welford's increments,
// which add up to the squared deviations without cancellation, each has the variance for expectation, and
// they are independent of one another for Gaussian gradients (Helmert). With reducer=min or max the
// reduction is of terms, not of the result.
//
// Shapes      map and standard error [H,W]; no cells.
// Unit        smoothgrad: of the target per unit of input (logit per input unit), signed. squaregrad, vargrad: its
//             square, unsigned.
// Cost        `samples` forwards, and as many backwards a target. Memory does not depend on `samples`.
// Guarantees  sample i is a function of (seed, i): results do not depend on batch or threads. The standard error
//             falls with the root of `samples`. VarGrad is unbiased. Linear score: w, w^2, 0. Anytime: stopped early,
//             the map of the samples done so far with its own standard error.
// Errors      as saliency. VarGrad: UsageError for fewer than two samples.
// Papers      Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad, arXiv 1706.03825, 2017. Hooker, Erhan, Kindermans,
//             Kim: A Benchmark for Interpretability Methods in Deep Neural Networks, NeurIPS 2019 (SquareGrad).
//             Adebayo, Gilmer, Goodfellow, Kim: Local Explanation Methods for Deep Neural Networks Lack
//             Sensitivity to Parameter Values, arXiv 1810.03307, 2018 (VarGrad).

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct SmoothGradOptions {
  int64_t samples = 50;             ///< noisy copies; the paper sees little change beyond
  double noise = 0.15;              ///< sigma as a share of the input's range; the paper advises 0.1 to 0.2
  Reducer reducer = Reducer::mean;  ///< of a sample's gradient over the channels
  uint64_t seed = 1;
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> smoothgrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> squaregrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> vargrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                 const SmoothGradOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> smoothgrad(const Model& model, const Image& image, const std::string& target = "top1",
                                    const SmoothGradOptions& options = {});
std::vector<Explanation> squaregrad(const Model& model, const Image& image, const std::string& target = "top1",
                                    const SmoothGradOptions& options = {});
std::vector<Explanation> vargrad(const Model& model, const Image& image, const std::string& target = "top1",
                                 const SmoothGradOptions& options = {});

}  // namespace vitrail
