#pragma once

// Grad-CAM: which positions of a late layer speak for the target.
//
//   A [K,h,w] the layer's value, G = dg/dA, alpha_k = mean over positions of G_k,
//   cells = ReLU(sum_k alpha_k A_k),   map = cells, enlarged by bicubic interpolation.
//
// Channels that push the score up count with the places where they fire. Where the layer is followed by global
// average pooling and one linear layer w, alpha_k = w_k / (hw): the map is the class activation map
// divided by the number of positions, and the cells without the ReLU add up to the score less its bias.
// Deep layers know classes but have few positions, early layers the reverse.
//
// Shapes      map [H,W]; cells [h,w]. Layers of tokens, windows and channels-last values are read as planes, whatever
//             class tokens and registers lie beside them: found in the graph, no reshape function.
// Unit        of the target (logit). With `relu` unsigned, the enlarged map cut off at 0; without it signed.
// Cost        1 forward, and 1 backward a target through the layers behind the chosen one only; times the layers,
//             times six with `augment`.
// Options     `layer=a+b`: the mean of the maps of several layers, each divided by its largest cell (then the unit is
//             that share, and there are no cells). `augment`: the mean over the input and its mirror image, each also
//             .9 and 1.1 times as bright (a factor in the model's input space). `principal`: the cells are the
//             projection of the channels' terms alpha_k A_k on their first right singular vector instead of their sum,
//             which keeps the pattern that most terms share and drops noise; its sign is that of the sum.
// Guarantees  exact and deterministic. A map in which nothing speaks for the target is zero, with a warning.
//             `plan["layer"]` is the layer used, `plan["layer_alternatives"]` others, best first.
// Errors      UsageError for a layer without positions (the message lists those that have), or a network without one.
// Paper       Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

struct GradCamOptions {
  std::string layer = "auto";  ///< a layer or value name, or several, "a+b"; auto: the last one with positions
  bool relu = true;            ///< false keeps what speaks against the target, as negative values
  bool augment = false;        ///< mean over six views of the input
  bool principal = false;      ///< the first principal component of the channels' terms instead of their sum
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> gradcam(const Probe& probe, const Tensor& inputs, const GradCamOptions& options = {},
                                 const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> gradcam(const Model& model, const Image& image, const std::string& target = "top1",
                                 const GradCamOptions& options = {});

}  // namespace vitrail
