#include <vitrail/method.h>

#include "attribution/access.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

/// In the order of the documentation.
const MethodList& entries() {
  static const MethodList all = [] {
    MethodList list;
    for (const auto& family : {gradient_methods(), cam_methods(), relevance_methods(), perturbation_methods()})
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

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> pieces;
  size_t first = 0;
  for (size_t comma = 0; comma != std::string::npos; first = comma + 1) {
    comma = text.find(',', first);
    pieces.push_back(text.substr(first, comma == std::string::npos ? comma : comma - first));
  }
  return pieces;
}

/// True for "key=value": the piece continues the method before it.
bool is_setting(const std::string& piece) {
  const size_t equals = piece.find('=');
  return equals != std::string::npos && equals < piece.find(':');
}

void add_setting(Settings& settings, const std::string& method, const std::string& piece) {
  const size_t equals = piece.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(method + ": found \"" + piece +
                     "\" where key=value was expected, as in \"rise:masks=500,seed=2\".");
  settings.emplace_back(piece.substr(0, equals), piece.substr(equals + 1));
}

struct WrittenMethod {
  std::string name;
  Settings settings;
};

const std::string kAll = "all";

std::vector<WrittenMethod> read_methods(const std::string& text) {
  std::vector<WrittenMethod> methods;
  for (const std::string& piece : split_at_commas(text)) {
    if (is_setting(piece)) {
      if (methods.empty())
        throw UsageError("\"" + text + "\" begins with an option; begin with a method, as in \"sobol:grid=8\".");
      add_setting(methods.back().settings, methods.back().name, piece);
      continue;
    }
    const size_t colon = piece.find(':');
    methods.push_back({piece.substr(0, colon), {}});
    if (colon != std::string::npos) add_setting(methods.back().settings, methods.back().name, piece.substr(colon + 1));
  }
  return methods;
}

bool has_key(const Settings& settings, const std::string& key) {
  return std::any_of(settings.begin(), settings.end(), [&](const auto& setting) { return setting.first == key; });
}

bool draws_numbers(const MethodInfo& info) {
  return std::any_of(info.options.begin(), info.options.end(),
                     [](const auto& option) { return option.name == "seed"; });
}

/// In place of "all" the methods that the list does not name.
std::vector<WrittenMethod> with_all_methods(std::vector<WrittenMethod> written) {
  const auto is_all = [](const WrittenMethod& method) { return method.name == kAll; };
  const auto all = std::find_if(written.begin(), written.end(), is_all);
  if (all == written.end()) return written;
  if (!all->settings.empty() || std::count_if(written.begin(), written.end(), is_all) > 1)
    throw UsageError(
        "\"all\" is said once and takes no options; give a method its options by name, as in "
        "\"all,sobol:grid=11\".");
  std::vector<const MethodEntry*> named;
  for (const WrittenMethod& method : written)
    if (!is_all(method)) named.push_back(&find_method(method.name));
  std::vector<WrittenMethod> others;
  for (const MethodEntry* entry : entries())
    if (std::find(named.begin(), named.end(), entry) == named.end()) others.push_back({entry->info().name, {}});
  const auto place = written.erase(all);
  written.insert(place, others.begin(), others.end());
  return written;
}

}  // namespace

std::vector<MethodInfo> methods() {
  std::vector<MethodInfo> infos;
  for (const MethodEntry* entry : entries()) infos.push_back(entry->info());
  return infos;
}

bool asks_for_all_methods(const std::string& text) {
  const auto written = read_methods(text);
  return std::any_of(written.begin(), written.end(), [](const auto& method) { return method.name == kAll; });
}

std::vector<std::unique_ptr<Method>> parse_methods(const std::string& text, std::optional<uint64_t> seed) {
  std::vector<std::unique_ptr<Method>> methods;
  for (auto& [name, settings] : with_all_methods(read_methods(text))) {
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
