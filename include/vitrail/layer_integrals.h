#pragma once

// Conductance, internal influence and layer integrated gradients: integrated gradients at an inner value y of the
// network.
//
//   conductance        phi = integral over the path of dg/dy(z) dy        what flows through each unit of y as the
//   photo
//                                                                         fades in from the baseline
//   internal_influence phi = integral over the path of dg/dy(z) da        the mean gradient at y on that way: no
//   product
//                                                                         with the values, so a unit may count that is
//                                                                         off
//   layer_ig           phi = (y(x) - y(b)) integral of dg/dy(y(b) + a (y(x) - y(b))) da
//                                                                         integrated gradients with the layer's values
//                                                                         as input, on the straight way between them
//
// where z = b + a (x - b), a from 0 to 1. All three are summed over the channels of each cell of the layer.
// `integrated_gradients:layer=NAME` is a fourth: from a baseline at the layer itself (zero: all units off).
//
// Where nothing runs past the layer (no residual branch, no class token), conductance and layer_ig add up to
// g(x) - g(b), and the result has the completeness gap; else it has none, for then part of the rise goes other ways.
//
// Shapes      cells [h,w] of the layer; map [H,W], enlarged bicubic where the layer has a place in the photo.
// Unit        of the target (logit), signed; internal_influence: per unit of the layer (logit per layer unit).
// Cost        conductance: steps + 1 forwards, as many backwards behind the layer a target. internal_influence: 1 +
// steps.
//             layer_ig: 2 + steps.
// Guarantees  deterministic. Conductance is a trapezoidal sum in the values of y (error of second order), the others
// are
//             Gauss-Legendre sums. Stopped early: the part done, with a warning.
// Errors      as gradcam.
// Papers      Dhamdhere, Sundararajan, Yan: How Important Is a Neuron?, ICLR 2019 (conductance; the sum over
// differences of y
//             is Shrikumar, Su, Kundaje, arXiv 1807.09946). Leino, Sen, Datta, Fredrikson, Li: Influence-Directed
//             Explanations for Deep Convolutional Networks, ITC 2018.

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

struct LayerIntegralOptions {
  std::string layer = "auto";  ///< a layer or value name; auto: the last one that still has positions
  int64_t steps = 50;          ///< on the path, as in the usual implementations
  Baseline baseline = {};      ///< of the photo: where the path starts
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> conductance(const Probe& probe, const Tensor& inputs, const LayerIntegralOptions& options = {},
                                     const Execution& execution = {});
std::vector<Explanation> internal_influence(const Probe& probe, const Tensor& inputs,
                                            const LayerIntegralOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> layer_ig(const Probe& probe, const Tensor& inputs, const LayerIntegralOptions& options = {},
                                  const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> conductance(const Model& model, const Image& image, const std::string& target = "top1",
                                     const LayerIntegralOptions& options = {});
std::vector<Explanation> internal_influence(const Model& model, const Image& image, const std::string& target = "top1",
                                            const LayerIntegralOptions& options = {});
std::vector<Explanation> layer_ig(const Model& model, const Image& image, const std::string& target = "top1",
                                  const LayerIntegralOptions& options = {});

}  // namespace vitrail
