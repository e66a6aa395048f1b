#include <vitrail/saliency.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

Method::Cost cost(const SaliencyOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

const MethodDefinition<SaliencyOptions, DifferentiableScorer>& definition() {
  static const MethodDefinition<SaliencyOptions, DifferentiableScorer> definition(
      {.name = "saliency",
       .family = "gradient",
       .summary = "Size of the score's gradient: how fast the score changes when a pixel does.",
       .formula = "max over channels of |dg/dx|",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "exact; |w| for a linear score",
       .source = "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, ICLR workshop 2014",
       .access = Access::gradient,
       .is_signed = false,
       .unit = "logit per input unit"},
      OptionTable<SaliencyOptions>({reducer_option(&SaliencyOptions::reducer)}), saliency, cost);
  return definition;
}

}  // namespace

const MethodEntry& saliency_method() { return definition(); }

std::vector<Explanation> saliency(const DifferentiableScorer& scorer, const Tensor& inputs,
                                  const SaliencyOptions& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const auto [scores, gradients] = target_gradients(run, scorer, run.input().unsqueeze(0));
    run.set_scores(scores[0]);
    for (size_t t = 0; t < gradients.size(); ++t)
      run.results()[t].map = reduce_channels(gradients[t][0].abs(), options.reducer);
  });
}

std::vector<Explanation> saliency(const Model& model, const Image& image, const std::string& target,
                                  const SaliencyOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return saliency(probe, input, options); });
}

}  // namespace vitrail
