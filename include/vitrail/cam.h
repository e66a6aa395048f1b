#pragma once

// Relatives of Grad-CAM: other ways to read a late layer, by its gradient, by its activation alone, or by the weights
// of the head behind it.
//
//   A [K,h,w] the layer's value, G = dg/dA, sums over channels k; mean and sum_ij over positions.
//
//   cam               sum_k w_k A_k                 w the weights of the linear layer behind global average pooling
//   gradcam_pp        sum_k alpha_k A_k,            alpha_k = mean(G^2 / (2 G^2 + G^3 s_k) ReLU(G))
//   smooth_gradcam_pp the same with G, G^2, G^3 averaged over noisy copies of the input
//   hirescam          sum_k G_k A_k
//   elementwise_cam   sum_k ReLU(G_k A_k)
//   layercam          sum_k ReLU(G_k) A_k
//   xgradcam          sum_k alpha_k A_k,            alpha_k = sum_ij G_k A_k / sum_ij A_k
//   shapley_cam       sum_k alpha_k A_k,            alpha_k = mean(G_k - (H A)_k / 2),   H the Hessian of g in A
//   eigen_cam         projection of A on its first right singular vector (as hw x K); no target
//   eigen_gradcam     projection of G A on its own
//   fem               sum_k mean(A_k) [A_k >= mean(A_k) + d std(A_k)]; no target
//   random_cam        sum_k r_k A_k,                r uniform in [-1,1]: a control that knows nothing of the target
//
// Where global average pooling and one linear layer follow, HiResCAM, XGrad-CAM and Shapley-CAM are `cam` divided by
// the number of positions, as Grad-CAM is, and their cells add up to the score less its bias. `cam` is refused where
// anything else follows: operators that are not affine are named.
//
// s_k is the sum of A_k over positions (original) or its mean. A denominator of Grad-CAM++ that is 0 counts as 1e-4; a
// channel without activation has no weight in XGrad-CAM. The Hessian-vector product of Shapley-CAM is the second term
// of the Taylor series of what removing the channel costs; it is 0 where the layers behind are piecewise linear.
// Singular vectors have no sign: the projection takes that of the plain sum over channels (eigen_cam, eigen_gradcam).
//
// Layer, common options, shapes, guarantees and errors are those of vitrail/gradcam.h.
// Unit        of the target; of the activation for eigen_cam, fem and random_cam.
// Cost        1 forward and 1 backward a target behind the layer; shapley_cam and cam 2 backwards; smooth_gradcam_pp
//             one more forward than `samples`; eigen_cam, fem and random_cam 1 forward. smooth_gradcam_pp has a
//             standard-error map (jackknife over ten blocks of samples).
//
// Papers      Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization, CVPR
//             2016 (cam). Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++, WACV 2018. Omeiza, Speakman,
//             Cintas, Weldermariam: Smooth Grad-CAM++, 2019. Draelos, Carin: HiResCAM, 2020. Jiang, Zhang, Hou, Cheng,
//             Wei: LayerCAM, TIP 2021. Fu, Hu, Dong, Guo, Gao, Li: XGrad-CAM, BMVC 2020. Cai: CAMs as Shapley
//             Value-based Explainers, 2025. Muhammad, Yeasin: Eigen-CAM, IJCNN 2020. Fuad, Martin, Giot, Bourqui,
//             Benois-Pineau, Zemmari: Features Understanding in 3D CNNs (FEM), 2020.

#include <vitrail/gradcam.h>

#include <cstdint>

namespace vitrail {

enum class Cam { cam, hirescam, elementwise_cam, layercam, xgradcam, shapley_cam };

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> gradient_cam(Cam method, const Probe& probe, const Tensor& inputs,
                                      const GradCamOptions& options = {}, const Execution& execution = {});

/// What Grad-CAM++ takes for the activation of a whole channel.
enum class ChannelActivation { sum, mean };

struct GradCamPPOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  ChannelActivation activation = ChannelActivation::sum;  ///< s_k
};
std::vector<Explanation> gradcam_pp(const Probe& probe, const Tensor& inputs, const GradCamPPOptions& options = {},
                                    const Execution& execution = {});

struct SmoothGradCamPPOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  ChannelActivation activation = ChannelActivation::sum;  ///< s_k, of the input without noise
  int64_t samples = 32;                                   ///< noisy copies
  double noise = 0.1;                                     ///< standard deviation as a share of the input's range
  uint64_t seed = 1;                                      ///< of the noise
};
std::vector<Explanation> smooth_gradcam_pp(const Probe& probe, const Tensor& inputs,
                                           const SmoothGradCamPPOptions& options = {}, const Execution& execution = {});

/// What is no sum of terms has no `principal`.
struct EigenCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false;
};
std::vector<Explanation> eigen_cam(const Probe& probe, const Tensor& inputs, const EigenCamOptions& options = {},
                                   const Execution& execution = {});
std::vector<Explanation> eigen_gradcam(const Probe& probe, const Tensor& inputs, const EigenCamOptions& options = {},
                                       const Execution& execution = {});

struct FemOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  double deviations = 2;  ///< d: standard deviations above the mean from which a position counts
};
std::vector<Explanation> fem(const Probe& probe, const Tensor& inputs, const FemOptions& options = {},
                             const Execution& execution = {});

struct RandomCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false, principal = false;
  uint64_t seed = 1;  ///< of the weights
};
std::vector<Explanation> random_cam(const Probe& probe, const Tensor& inputs, const RandomCamOptions& options = {},
                                    const Execution& execution = {});

}  // namespace vitrail
