#pragma once

// Maps by perturbing a late layer itself. Only what lies behind the layer runs again, once a channel or a position.
//
//   A [K,h,w] the layer's value, g(A) the score from there.
//
//   ablation_cam   cells = ReLU(sum_k alpha_k A_k),   alpha_k = (g(A) - g(A with A_k = 0)) / |g(A)|
//   recipro_cam    cells at p = ReLU(g(W_p A) - g(0)),  W_p a window around p, the same for all channels
//
// Ablation-CAM is Grad-CAM by finite differences: it needs no gradient, and sees saturation. A channel that is zero
// everywhere is not run. Where the score is 0 the differences stay as they are, with a warning.
// Recipro-CAM asks each position alone, `gaussian` with its eight neighbours weighted (1 2 1) x (1 2 1) / 16, `single`
// without. Subtracting the score of an empty layer makes "says nothing" 0.
//
// Shapes      as vitrail/gradcam.h, with the common options; recipro_cam has no terms of channels, so no `principal`.
// Unit        ablation_cam: shares of the score times activation; recipro_cam: of the target.
// Cost        forwards of what lies behind the layer: ablation_cam at most K + 1, recipro_cam h w + 2.
// Guarantees  exact and deterministic. Stopped early, the maps are those of what was run.
// Papers      Desai, Ramaswamy: Ablation-CAM, WACV 2020. Byun, Lee: Recipro-CAM, 2022 (arXiv 2209.14074).

#include <vitrail/gradcam.h>

namespace vitrail {

std::vector<Explanation> ablation_cam(const Probe& probe, const Tensor& inputs, const GradCamOptions& options = {},
                                      const Execution& execution = {});

enum class KeptWindow { gaussian, single };

struct ReciproCamOptions {
  std::string layer = "auto";
  bool relu = true, augment = false;
  KeptWindow window = KeptWindow::gaussian;  ///< what is kept of the layer around a position
};
std::vector<Explanation> recipro_cam(const Probe& probe, const Tensor& inputs, const ReciproCamOptions& options = {},
                                     const Execution& execution = {});

}  // namespace vitrail
