#include <vitrail/explain.h>
#include <vitrail/method.h>

#include <array>
#include <iterator>

#include "attribution/explain_image.h"

namespace vitrail {

PreparedRun prepare_run(const Model& model, const Image& image, const std::string& target) {
  check_target_syntax(target);
  const PreparedImage photo = model.prepare(image);
  const std::array<std::string, 1> strings = {target};
  return {photo.input, model.probe(model.targets(strings, photo))};
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
