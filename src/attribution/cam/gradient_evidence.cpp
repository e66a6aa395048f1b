#include "attribution/cam/gradient_evidence.h"

#include "attribution/gradient/target_gradients.h"

namespace vitrail {

void explain_by_gradient(MethodRun& run, const Probe& probe, const CamSettings& settings, const GradientTerms& terms) {
  warn_of_flat_operators(run, probe);
  explain_by_cam(run, probe, settings, 1 + run.targets(), [&](CamView& view) {
    std::vector<CamEvidence> evidence;
    for (const Tensor& gradient : view.gradients())
      evidence.push_back({view.evidence(terms(view.activation(), gradient)), {}});
    return evidence;
  });
}

}  // namespace vitrail
