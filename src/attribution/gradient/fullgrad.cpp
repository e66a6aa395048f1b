#include <vitrail/fullgrad.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = FullGradOptions;

/// Running the nodes one by one, and what their biases cost beside that: about a forward and two backwards.
constexpr int64_t forwards = 2, backwards_for_biases = 2;

Method::Cost cost(const Options&, int64_t, int64_t, int64_t targets) {
  return {forwards, backwards_for_biases + targets};
}

const MethodDefinition<Options, Probe>& definition() {
  static const MethodDefinition<Options, Probe> definition(
      {.name = "fullgrad",
       .family = "gradient",
       .summary = "Gradient times input plus gradient times bias of every layer: where all of the score comes from.",
       .formula = "sum over channels of x * dg/dx + sum over biases b at their positions of b * dg/db",
       .cost = "2 forwards, 2 backwards and 1 a target",
       .guarantees = "exact: with terms=signed the map adds up to the score",
       .source = "Srinivas, Fleuret: Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          choice("terms", &Options::terms, "signed: they add up to the score; paper: |terms| scaled to [0,1]",
                 {{"signed", FullGradTerms::as_they_are}, {"paper", FullGradTerms::as_in_the_paper}}),
      }),
      fullgrad, cost);
  return definition;
}

/// [h,w] enlarged to the run's size; the sum stays.
Tensor spread(const Tensor& term, const MethodRun& run) {
  const Tensor large = upsample(term, run.height(), run.width(), Interpolation::bilinear);
  const double pixels = static_cast<double>(large.numel());
  const Tensor shared = large * (static_cast<double>(term.numel()) / pixels);
  return shared + (term.sum() - shared.sum()) / pixels;  // bilinear weights are uneven at the border
}

/// [K,h,w]: the size of every channel's values from 0 to 1, enlarged, summed.
Tensor scaled_sizes(const Tensor& term, const MethodRun& run) {
  const Tensor size = term.abs(), least = size.amin({1, 2}, true), range = size.amax({1, 2}, true) - least;
  const Tensor scaled = ((size - least) / range.masked_fill(range == 0, 1)).sum(0);  // enlarging is linear
  return upsample(scaled, run.height(), run.width(), Interpolation::bilinear);
}

void fill(Explanation& result, int64_t target, const std::vector<BiasTerm>& terms, const MethodRun& run,
          FullGradTerms kind) {
  const bool paper = kind == FullGradTerms::as_in_the_paper;
  result.map = at::zeros({run.height(), run.width()}, at::kDouble);
  double without_place = 0;
  for (const BiasTerm& term : terms) {
    const Tensor planes = term.planes[target].to(at::kDouble);
    if (!term.has_place) {
      without_place += planes.sum().item<double>();
    } else {
      result.map += paper ? scaled_sizes(planes, run) : spread(planes.sum(0), run);
    }
  }
  result.extras["input"] = terms[0].planes[target].sum(0);
  result.plan["bias_terms"] = std::to_string(terms.size() - 1);
  result.plan["without_place"] = write_value(static_cast<float>(without_place));
  if (paper) {
    result.is_signed = false;
    result.unit = "sum of terms scaled to [0,1]";
    return;
  }
  result.map += without_place / static_cast<double>(result.map.numel());
  result.completeness_gap = result.map.sum().item<double>() - result.score;
}

}  // namespace

const MethodEntry& fullgrad_method() { return definition(); }

std::vector<Explanation> fullgrad(const Probe& probe, const Tensor& inputs, const Options& options,
                                  const Execution& execution) {
  return definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, probe);
    const Tensor input = run.input().unsqueeze(0);
    const std::vector<BiasTerm> terms = probe.bias_terms(input);
    run.count(forwards, backwards_for_biases + run.targets());
    const at::NoGradGuard no_grad;
    run.set_scores(check_scores(probe.differentiable_score(input), 1, run.targets())[0]);  // of the graph, not a plan's
    for (size_t t = 0; t < run.results().size(); ++t)
      fill(run.results()[t], static_cast<int64_t>(t), terms, run, options.terms);
  });
}

std::vector<Explanation> fullgrad(const Model& model, const Image& image, const std::string& target,
                                  const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return fullgrad(probe, input, options); });
}

}  // namespace vitrail
