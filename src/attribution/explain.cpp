#include <vitrail/explain.h>
#include <vitrail/method.h>

#include <ATen/core/grad_mode.h>

#include <array>
#include <iterator>

#include "attribution/explain_image.h"

namespace vitrail {

PreparedRun prepare_run(const Model& model, const Image& image, const std::string& target) {
  check_target_syntax(target);
  const Tensor input = model.prepare(image).input;
  const at::NoGradGuard no_grad;
  const std::array<std::string, 1> strings = {target};
  return {input, model.probe(resolve_targets(strings, model.logits(input)[0], model.labels()))};
}

std::vector<Explanation> explain(const Model& model, const Image& image, const std::string& methods,
                                 const std::string& target, const Execution& execution) {
  const auto parsed = parse_methods(methods);
  const PreparedRun prepared = prepare_run(model, image, target);
  std::vector<Explanation> results;
  for (const auto& method : parsed) {
    auto explanations = method->explain(*prepared.probe, prepared.input, execution);
    std::move(explanations.begin(), explanations.end(), std::back_inserter(results));
  }
  return results;
}

}  // namespace vitrail
