#pragma once

// What the gradient-weighted class activation maps share: the layer, one forward, one backward a target, the map.

#include <vitrail/gradcam.h>

#include "attribution/options.h"
#include "attribution/run.h"

namespace vitrail {

/// Evidence of the positions [h,w] from the layer's value and its gradient, both [K,h,w].
using GradientEvidence = Tensor(const Tensor& activation, const Tensor& gradient);

/// The options of every such method.
OptionTable<GradCamOptions> gradcam_options();

/// Fills the run's results. `method` is the name in messages.
void explain_by_gradient_evidence(MethodRun& run, const Probe& probe, const std::string& method,
                                  const GradCamOptions& options, GradientEvidence* evidence);

}  // namespace vitrail
