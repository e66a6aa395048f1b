#pragma once

// Score-CAM: channels of a late layer, weighted by what the network says of the input seen through each.
//
//   A [K,h,w] the layer's value, M_k = A_k enlarged bilinearly to the input and scaled to [0,1],
//   alpha = softmax over k of g(x seen through M_k),     cells = ReLU(sum_k alpha_k A_k).
//
// No gradients: what a channel looks at is shown to the network alone, x M_k + (1 - M_k) baseline. The score of the
// baseline that the formula usually subtracts is the same for all channels, so the softmax does not see it and it is
// not computed. A channel that is the same everywhere has no mask and no pattern, and is left out.
//
//   scorecam   one forward a channel.
//   ss_cam     M_k with Gaussian noise of deviation `noise` added, cut to [0,1]; mean score over `samples`.
//   is_cam     i/n M_k for i = 1 .. n = `samples`: the mean score while the input fades in.
//
// `channels=300` (gScore-CAM) takes only the channels with the largest mean gradient, for each target its own: most of
// the weight at a fraction of the cost in nets with thousands of channels.
//
// Masks are made a chunk at a time; all targets come from the same forwards; scoring goes through the model's plan.
// Shapes      as vitrail/gradcam.h, with the common options.
// Unit        of the activation; weights of a target add up to 1.
// Cost        1 forward to the layer, then at most K (ss_cam, is_cam: K samples), or `channels` a target; 1 forward and
//             1 backward a target more where `channels` chooses.
// Guarantees  scorecam and is_cam are deterministic. ss_cam has a standard-error map (jackknife over ten blocks of
//             samples). Stopped early, the maps are those of the channels that were scored.
// Papers      Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM, CVPR workshops 2020. Wang, Naidu, Michael,
//             Kundu: SS-CAM, 2020. Naidu, Ghosh, Maurya, Shamanth, Kundu: IS-CAM, 2020. Chen, Li, Zhou, Zhang,
//             Nguyen: gScoreCAM, ACCV 2022.

#include <vitrail/baseline.h>
#include <vitrail/gradcam.h>

#include <cstdint>

namespace vitrail {

struct ScoreCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  int64_t channels = 0;    ///< only this many, strongest by gradient; 0: all
  Baseline baseline = {};  ///< what is not shown becomes this
};
std::vector<Explanation> scorecam(const Probe& probe, const Tensor& inputs, const ScoreCamOptions& options = {},
                                  const Execution& execution = {});

struct SsCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  int64_t channels = 0;
  Baseline baseline = {};
  int64_t samples = 10;  ///< noisy masks of every channel
  double noise = 0.1;    ///< standard deviation; a mask is in [0,1]
  uint64_t seed = 1;     ///< of the noise
};
std::vector<Explanation> ss_cam(const Probe& probe, const Tensor& inputs, const SsCamOptions& options = {},
                                const Execution& execution = {});

struct IsCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  int64_t channels = 0;
  Baseline baseline = {};
  int64_t samples = 10;  ///< steps from the baseline to the mask
};
std::vector<Explanation> is_cam(const Probe& probe, const Tensor& inputs, const IsCamOptions& options = {},
                                const Execution& execution = {});

}  // namespace vitrail
