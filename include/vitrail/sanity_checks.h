#pragma once

// Sanity checks: a map that stays the same when the network, or the question, becomes another explains neither.
//
//   model_randomisation   weights of the last layers are drawn anew; the similarity of the maps before and after
//   random_logit          another class, drawn at random, is explained; the similarity of both maps
//
// Layers with weights (convolutions, linear layers) are taken from the output down: all of the share at once, in stages
// (`cascade`), or one layer at a time (`independent`, the mean over layers). The network is copied; only the copy
// changes. Similarity is Spearman's rank correlation or SSIM, of the maps or of their absolute values: all four are in
// `parts` ("spearman", "spearman_abs", "ssim", "ssim_abs"), the chosen one is the value.
//
// Direction   lower is better; edge maps have 1.
// Cost        the method's, a stage or layer.
// Undefined   where a map before or after is constant (Spearman).
// Source      Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, Sanity Checks for Saliency Maps, NeurIPS 2018; Sixt,
//             Granz, Landgraf, When Explanations Lie, ICML 2020 (random logit).

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

enum class Similarity { spearman, ssim };

enum class RandomisationMode { cascade, independent };

/// What replaces the weights of a layer.
enum class WeightSource {
  initializer,  ///< normal numbers of variance 2 / fan-in (He), biases 0
  permute,      ///< the trained weights in another order
  uniform01     ///< U(0,1), biases too: changes the scale of activations drastically; for parity only
};

struct ModelRandomisationOptions {
  double share = 0.25;  ///< of the layers with weights, from the output down
  int64_t stages = 1;   ///< of the cascade; each is a point of the curve, the last one is the value
  RandomisationMode mode = RandomisationMode::cascade;
  WeightSource source = WeightSource::initializer;
  Similarity similarity = Similarity::spearman;
  bool absolute = false;  ///< compare |phi|
  uint64_t seed = 42;
};

struct RandomLogitOptions {
  Similarity similarity = Similarity::ssim;
  bool absolute = false;  ///< compare |phi|
  uint64_t seed = 42;
};

MetricScore model_randomisation(const MetricCase& map, const ModelRandomisationOptions& options = {});
MetricScore random_logit(const MetricCase& map, const RandomLogitOptions& options = {});

}  // namespace vitrail
