#pragma once

// Metrics by name: numbers that say how good a map is. A metric judges one map of one photo for one target (a case);
// vitrail/evaluate.h averages over photos, with intervals, and compares methods.
//
//   MetricCase map{.scorer = &scorer, .input = input, .map = explanation.map};
//   deletion(map).value;                                    // typed: one function and one options struct a metric
//   parse_metric("deletion:steps=20")->score(map).value;    // by its string, as in the command
//
// A value that does not exist (the correlation with a constant, a share of nothing) is NaN with a reason, never 0:
// means leave it out and count it. Numbers that a metric draws are functions of (seed, sample) alone, the same for
// every photo and every method, so that differences between methods hold less noise than the scores.

#include <vitrail/error.h>
#include <vitrail/execution.h>
#include <vitrail/method.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>
#include <vitrail/target.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

/// Which end of a metric is good.
enum class Direction { higher, lower };

/// What a metric asks for beside the map.
enum class Evidence {
  map,        ///< nothing
  scores,     ///< a scorer and the input
  method,     ///< also the method, to explain other inputs
  model,      ///< also the model, to look into it: its other classes, its weights
  truth,      ///< the region that the target is in
  human_map,  ///< where people look
};

struct MetricInfo {
  std::string name;
  /// "fidelity", "stability", "robustness", "sanity", "localisation", "complexity", "alignment", "axioms"
  std::string family = {};
  std::vector<std::string> aliases = {};
  std::string summary = {};  ///< one sentence
  std::string formula = {};  ///< one line of plain text
  Direction direction = Direction::higher;
  Evidence evidence = Evidence::map;
  std::string range = {};   ///< of the value, in words: "0 to 1", "that of the score"
  std::string curve = {};   ///< what its curve goes over: "share of the pixels that is hidden"; empty: it has none
  std::string cost = {};    ///< in forwards, as a formula of the options
  std::string source = {};  ///< the paper
  std::vector<OptionInfo> options = {};
};

/// One map, and what is known around it. What a metric does not ask for may be left out.
struct MetricCase {
  /// Of one target: what the map explains. Others that are made of it (probabilities) come by `probability`.
  const Scorer* scorer = nullptr;
  /// The same target as a probability; null where there is none: metrics that are asked for one then refuse.
  const Scorer* probability = nullptr;
  Tensor input = {};      ///< [C,H,W]
  Tensor map = {};        ///< [H,W]
  bool is_signed = true;  ///< Explanation::is_signed
  const Method* method = nullptr;
  const Model* model = nullptr;
  Target target = {};        ///< with `model`: the scorer's target
  Tensor truth = {};         ///< bool [H,W]
  Tensor human_map = {};     ///< [H,W], larger where people look more
  Execution execution = {};  ///< batch, cancellation
};

struct MetricScore {
  double value = 0;                          ///< NaN where it does not exist
  std::string undefined = {};                ///< then: why
  Tensor curve_x = {};                       ///< float64 [S], of metrics with a curve: places in MetricInfo::curve
  Tensor curve_y = {};                       ///< float64 [S]
  std::map<std::string, double> parts = {};  ///< further numbers, by name
  int64_t forwards = 0, backwards = 0;
};

/// Thrown where `execution.cancelled` was set: a metric has no partial value.
class CancelledError : public Error {
 public:
  CancelledError() : Error(ExitCode::interrupted, "Cancelled.") {}
};

/// A parsed metric: name and options. Immutable; may be used from several threads at once.
class Metric {
 public:
  virtual ~Metric() = default;
  virtual const MetricInfo& info() const = 0;
  virtual std::string canonical() const = 0;

  /// With these options: some turn it round.
  virtual Direction direction() const = 0;

  /// UsageError where the case lacks what the metric asks for.
  virtual MetricScore score(const MetricCase& map) const = 0;
};

/// Every metric, in the order of the documentation.
std::vector<MetricInfo> metrics();

/// Unknown names and keys are UsageErrors that list the known ones and name the nearest.
std::unique_ptr<Metric> parse_metric(const std::string& text);

/// A list with the grammar of parse_methods(): "deletion:steps=20,insertion,mu_fidelity". "all" stands for every metric
/// that the list does not name. `seed` is given to every metric that draws numbers and does not name its own.
std::vector<std::unique_ptr<Metric>> parse_metrics(const std::string& text, std::optional<uint64_t> seed = {});

/// True where such a list holds the word "all": then metrics that lack evidence are left out.
bool asks_for_all_metrics(const std::string& text);

}  // namespace vitrail
