#pragma once

// Guided backpropagation, DeconvNet and Guided Grad-CAM: gradients whose way back through ReLUs is changed.
//
//   guided_backprop   a ReLU passes the positive part of what comes back, where its forward input was active
//   deconvnet         a ReLU passes the positive part of what comes back, wherever its forward input was
//   guided_gradcam    guided_backprop times Grad-CAM, enlarged to the input
//
// They draw crisp pictures of what excites the network. They are no gradients, and the first two fail
// sanity checks by design: dropping the negative parts recovers edges of the photo nearly whatever the
// class and the weights of late layers are. Every result says so. ReLU-type operators are Relu, LeakyRelu,
// PRelu, ThresholdedRelu and Clip (ReLU6); a net without any gives the plain gradient.
//
// Shapes      map [H,W]; no cells.
// Unit        of the target per unit of input (logit per input unit), nominally; signed. guided_gradcam: times
//             that of the target.
// Cost        1 forward, and 1 backward a target. guided_gradcam: and those of gradcam.
// Guarantees  deterministic; equal to the gradient (reduced over channels) where there is no ReLU.
// Errors      as saliency; and UsageError for scorers that are not networks: a function has no ReLUs to change.
//             guided_gradcam: as gradcam.
// Papers      Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity, ICLR workshop 2015. Zeiler, Fergus:
//             Visualizing and Understanding Convolutional Networks, ECCV 2014. Selvaraju et al.: Grad-CAM, ICCV
//             2017. On sanity checks: Adebayo et al., NeurIPS 2018; Nie, Zhang, Patel, ICML 2018.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <string>
#include <vector>

namespace vitrail {

struct GuidedBackpropOptions {
  Reducer reducer = Reducer::mean;  ///< of the changed gradient over the channels
};

struct GuidedGradCamOptions {
  std::string layer = "auto";       ///< of Grad-CAM: a layer or value name; auto: the last one that still has positions
  Reducer reducer = Reducer::mean;  ///< of the guided gradient over the channels
};

/// Explains every input [N,C,H,W] for every target: N x T results, targets fastest.
std::vector<Explanation> guided_backprop(const DifferentiableScorer& scorer, const Tensor& inputs,
                                         const GuidedBackpropOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> deconvnet(const DifferentiableScorer& scorer, const Tensor& inputs,
                                   const GuidedBackpropOptions& options = {}, const Execution& execution = {});
std::vector<Explanation> guided_gradcam(const Probe& probe, const Tensor& inputs,
                                        const GuidedGradCamOptions& options = {}, const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> guided_backprop(const Model& model, const Image& image, const std::string& target = "top1",
                                         const GuidedBackpropOptions& options = {});
std::vector<Explanation> deconvnet(const Model& model, const Image& image, const std::string& target = "top1",
                                   const GuidedBackpropOptions& options = {});
std::vector<Explanation> guided_gradcam(const Model& model, const Image& image, const std::string& target = "top1",
                                        const GuidedGradCamOptions& options = {});

}  // namespace vitrail
