#include <vitrail/gradient_x_input.h>

#include <ATen/TensorOperators.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

Method::Cost cost(const GradientXInputOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

const MethodDefinition<GradientXInputOptions, DifferentiableScorer>& definition() {
  static const MethodDefinition<GradientXInputOptions, DifferentiableScorer> definition(
      {.name = "gradient_x_input",
       .family = "gradient",
       .summary = "Gradient times input: what each pixel contributes to the score, to first order.",
       .formula = "mean over channels of x * dg/dx",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "exact; w x for a linear score; reducer=sum adds up to score - score(0) there",
       .source = "Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box, arXiv 1605.01713, 2016",
       .access = Access::gradient,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<GradientXInputOptions>({reducer_option(&GradientXInputOptions::reducer)}), gradient_x_input, cost);
  return definition;
}

}  // namespace

const MethodEntry& gradient_x_input_method() { return definition(); }

std::vector<Explanation> gradient_x_input(const DifferentiableScorer& scorer, const Tensor& inputs,
                                          const GradientXInputOptions& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const auto [scores, gradients] = target_gradients(run, scorer, run.input().unsqueeze(0));
    run.set_scores(scores[0]);
    for (size_t t = 0; t < gradients.size(); ++t)
      run.results()[t].map = reduce_channels(run.input() * gradients[t][0], options.reducer);
  });
}

std::vector<Explanation> gradient_x_input(const Model& model, const Image& image, const std::string& target,
                                          const GradientXInputOptions& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return gradient_x_input(probe, input, options);
  });
}

}  // namespace vitrail
