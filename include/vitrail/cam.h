#pragma once

// Relatives of Grad-CAM: other ways to join a late layer's value with its gradient.
//
//   A [K,h,w] the layer's value, G = dg/dA, sums over channels k; mean and sum_ij over positions.
//
//   gradcam_pp       sum_k alpha_k A_k,  alpha_k = mean(G^2 / (2 G^2 + G^3 sum_ij A_k) ReLU(G))
//   hirescam         sum_k G_k A_k
//   elementwise_cam  sum_k ReLU(G_k A_k)
//   layercam         sum_k ReLU(G_k) A_k
//   xgradcam         sum_k alpha_k A_k,  alpha_k = sum_ij G_k A_k / sum_ij A_k
//
// Where global average pooling and one linear layer follow, HiResCAM and XGrad-CAM are the class activation map
// divided by the number of positions, as Grad-CAM is, and their cells add up to the score less its bias.
// A denominator of Grad-CAM++ that is 0 counts as 1e-4; a channel without activation has no weight in XGrad-CAM.
//
// Layer, options, shapes, unit, cost, guarantees and errors are those of vitrail/gradcam.h.
//
// Papers      Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++, WACV 2018. Draelos, Carin: HiResCAM, 2020.
//             Jiang, Zhang, Hou, Cheng, Wei: LayerCAM, TIP 2021. Fu, Hu, Dong, Guo, Gao, Li: XGrad-CAM, BMVC 2020.

#include <vitrail/gradcam.h>

namespace vitrail {

enum class Cam { gradcam_pp, hirescam, elementwise_cam, layercam, xgradcam };

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> gradient_cam(Cam method, const Probe& probe, const Tensor& inputs,
                                      const GradCamOptions& options = {}, const Execution& execution = {});

}  // namespace vitrail
