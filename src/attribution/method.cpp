#include <vitrail/method.h>

#include "attribution/access.h"
#include "attribution/method_impl.h"
#include "base/written_list.h"

namespace vitrail {

namespace {

/// In the order of the documentation.
const MethodList& entries() {
  static const MethodList all = [] {
    MethodList list;
    for (const auto& family :
         {gradient_methods(), cam_methods(), relevance_methods(), perturbation_methods(), control_methods()})
      list.insert(list.end(), family.begin(), family.end());
    return list;
  }();
  return all;
}

const MethodEntry& find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const MethodEntry* entry : entries()) {
    std::vector<std::string> own = entry->info().aliases;
    own.insert(own.begin(), entry->info().name);
    if (std::find(own.begin(), own.end(), name) != own.end()) return *entry;
    names.insert(names.end(), own.begin(), own.end());
  }
  throw UsageError("Unknown method \"" + name + "\". " + did_you_mean(name, names));
}

const WrittenKind kMethods = {.noun = "method", .example = "sobol:grid=8"};

bool draws_numbers(const MethodInfo& info) {
  return std::any_of(info.options.begin(), info.options.end(),
                     [](const auto& option) { return option.name == "seed"; });
}

}  // namespace

std::vector<MethodInfo> methods() {
  std::vector<MethodInfo> infos;
  for (const MethodEntry* entry : entries()) infos.push_back(entry->info());
  return infos;
}

bool asks_for_all_methods(const std::string& text) { return says_all(read_written_list(text, kMethods)); }

std::vector<std::unique_ptr<Method>> parse_methods(const std::string& text, std::optional<uint64_t> seed) {
  std::vector<std::string> names;
  for (const MethodEntry* entry : entries())
    if (entry->info().family != "control") names.push_back(entry->info().name);
  auto written = read_written_list(text, kMethods);
  if (says_all(written))
    for (WrittenItem& item : written)
      if (item.name != "all") item.name = find_method(item.name).info().name;
  std::vector<std::unique_ptr<Method>> methods;
  for (auto& [name, settings] : with_all(std::move(written), names, kMethods)) {
    const MethodEntry& entry = find_method(name);
    if (seed && draws_numbers(entry.info()) && !has_key(settings, "seed"))
      settings.emplace_back("seed", write_value(*seed));
    methods.push_back(entry.parse(settings));
  }
  return methods;
}

std::unique_ptr<Method> parse_method(const std::string& text) {
  auto methods = parse_methods(text);
  if (methods.size() != 1)
    throw UsageError("\"" + text + "\" names " + std::to_string(methods.size()) + " methods where one was expected.");
  return std::move(methods[0]);
}

void check_call(const std::string& method, const Scorer& scorer, const Tensor& inputs, const Execution& execution) {
  if (inputs.dim() != 4 || inputs.numel() == 0 || !inputs.is_floating_point())
    throw UsageError(method + ": inputs have " + std::to_string(inputs.dim()) + " dimensions and " +
                     std::to_string(inputs.numel()) + " values of type " + std::string(inputs.dtype().name()) +
                     "; expected a floating-point tensor [N,C,H,W] that is not empty.");
  if (execution.batch < 1)
    throw UsageError(method + ": found batch " + std::to_string(execution.batch) + ", expected at least 1.");
  if (scorer.targets().empty()) throw UsageError(method + ": the scorer has no target; give at least one.");
}

void refuse_access(const MethodInfo& info) {
  const std::string needs = info.access == Access::graph   ? "the operators of a network (a Probe of a Model)"
                            : info.access == Access::layer ? "the layers of a network (a Probe)"
                                                           : "the gradients of a network (a DifferentiableScorer)";
  throw UsageError(info.name + " needs " + needs +
                   ", and this scorer gives less. Load the model as a graph, or take a black-box method: occlusion, " +
                   "rise or sobol.");
}

std::string name_of(Access access) {
  switch (access) {
    case Access::scorer:
      return "scores";
    case Access::gradient:
      return "gradients";
    case Access::layer:
      return "layers";
    case Access::graph:
      return "operators";
  }
  VITRAIL_CHECK(false, "unknown access");
  return {};
}

std::string why_zero(Access access) {
  switch (access) {
    case Access::scorer:
      return "the score does not change when parts of the input are hidden.";
    case Access::gradient:
      return "the gradient of the target vanishes at this input (a constant or saturated score, a step function, or an "
             "operator without gradient). A black-box method such as sobol needs no gradient.";
    case Access::layer:
      return "no cell of the layer speaks for the target (relu=false shows what speaks against it), or the gradient "
             "vanishes there.";
    case Access::graph:
      return "nothing of the target's score comes back to the input: the score is zero, or no node on the way passes "
             "it "
             "on.";
  }
  VITRAIL_CHECK(false, "unknown access");
  return {};
}

}  // namespace vitrail
