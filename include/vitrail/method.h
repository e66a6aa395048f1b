#pragma once

// Methods by name. A method string is a name and options, "sobol:grid=8,designs=16"; it is parsed
// once and means the same in the command, in C++, in logs and in results. The canonical form lists
// every option, keys sorted, and parses back to the same method.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct OptionInfo {
  std::string name;
  std::string type;  ///< "integer", "number", "text", "flag", or the choices: "lhs|sobol"
  std::string default_value;
  std::string description;
};

/// What a method asks of the model.
enum class Access { scorer, gradient, layer, graph };

struct MethodInfo {
  std::string name;
  std::string family;  ///< "gradient", "cam", "relevance", "perturbation", "control"
  std::vector<std::string> aliases = {};
  std::string summary;       ///< one sentence
  std::string formula = {};  ///< of the map, one line of plain text: "x * dg/dx"
  std::string cost;          ///< in forwards, as a formula of the options: "designs x replicates x (grid^2 + 1)"
  std::string guarantees;    ///< what is exact, what is sampled, what completeness holds
  std::string source;        ///< the paper
  Access access = Access::scorer;
  bool scores_inputs = false;      ///< of a layer method: it scores whole inputs too, so a plan for scoring helps
  bool repeats_gradients = false;  ///< it takes gradients of many whole inputs, so a plan that gives them helps
  bool is_signed = true;
  std::string unit;
  std::vector<OptionInfo> options = {};

  /// It sends many whole inputs through the model, as a plan does fast.
  bool uses_plan() const { return access == Access::scorer || scores_inputs || repeats_gradients; }
};

/// A parsed method: name and options. Immutable; may be run from several threads at once.
class Method {
 public:
  virtual ~Method() = default;
  virtual const MethodInfo& info() const = 0;
  virtual std::string canonical() const = 0;

  /// Explains every input [N,C,H,W] for every target of the scorer, input by input: N x T results,
  /// targets fastest. A scorer with less access than the method needs is a UsageError.
  virtual std::vector<Explanation> explain(const Scorer& scorer, const Tensor& inputs,
                                           const Execution& execution) const = 0;

  /// Forwards and backwards that one input of this size will cost; at most, for a method that adapts.
  struct Cost {
    int64_t forwards = 0, backwards = 0;
  };
  virtual Cost cost(int64_t height, int64_t width, int64_t targets) const = 0;

  /// The same where the network is known: the cost of layer methods may be that of the layer's channels or positions,
  /// which cost() leaves out. Default: cost().
  virtual Cost cost_on(const Scorer& scorer, int64_t height, int64_t width) const {
    return cost(height, width, static_cast<int64_t>(scorer.targets().size()));
  }
};

/// Every method, in the order of the documentation.
std::vector<MethodInfo> methods();

/// Parses one method string. Unknown names and keys are UsageErrors that list the known ones and name the nearest.
std::unique_ptr<Method> parse_method(const std::string& text);

/// Parses a list "sobol:grid=8,designs=16,rise:masks=2000,saliency": a piece `key=value` continues
/// the method before it. `seed` is given to every method that draws numbers and does not name its own. The word "all"
/// stands for every method that the list does not name, with its defaults; controls are named or left out.
std::vector<std::unique_ptr<Method>> parse_methods(const std::string& text, std::optional<uint64_t> seed = {});

/// True where such a list holds the word "all": then methods that a model does not allow are no mistake of the caller.
bool asks_for_all_methods(const std::string& text);

}  // namespace vitrail
