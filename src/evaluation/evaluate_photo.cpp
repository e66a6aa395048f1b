#include <vitrail/error.h>
#include <vitrail/evaluate.h>

#include <array>
#include <chrono>

#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Target only_target(const Model& model, const PreparedImage& prepared, const std::string& target) {
  auto found = model.targets(std::array{target}, prepared);
  if (found.size() != 1)
    throw UsageError("the target \"" + target + "\" stands for " + std::to_string(found.size()) +
                     " targets; an evaluation wants one, such as top1, a class or box:1.");
  return std::move(found[0]);
}

/// The same class as a probability, where the target is one class of a row of logits.
std::optional<Target> as_probability(Target target) {
  if (target.function || target.index < 0 || target.versus >= 0) return std::nullopt;
  target.unit = TargetUnit::probability;
  return target;
}

/// Reads like a result that lacks a value, for what an evaluation leaves out.
MetricScore score_or_reason(const Metric& metric, const MetricCase& map, WhereRefused refused) {
  if (metric.info().evidence == Evidence::truth && !map.truth.defined())
    return undefined_score("no region is known of this photo");
  if (metric.info().evidence == Evidence::human_map && !map.human_map.defined())
    return undefined_score("no human map is known of this photo");
  try {
    return metric.score(map);
  } catch (const UsageError& error) {
    if (refused == WhereRefused::fail) throw;
    return undefined_score(error.what());
  }
}

/// A model's scorers for one target: by the plan, by the graph, and as a probability.
class Scorers {
 public:
  Scorers(const Model& model, const Target& target)
      : by_plan_(model.probe({target})), by_graph_(model.without_plan().probe({target})) {
    if (const auto probability = as_probability(target)) probability_ = model.probe({*probability});
  }
  const Probe& for_method(const Method& method) const { return method.info().uses_plan() ? *by_plan_ : *by_graph_; }
  /// Metrics of other inputs or networks explain again, as the method did.
  const Probe& for_metric(const Metric& metric, const Method& method) const {
    const Evidence evidence = metric.info().evidence;
    return evidence == Evidence::method || evidence == Evidence::model ? for_method(method) : *by_plan_;
  }
  const Scorer* probability() const { return probability_.get(); }

 private:
  std::unique_ptr<Probe> by_plan_, by_graph_, probability_;
};

}  // namespace

PhotoEvaluation evaluate_photo(const Model& model, const Image& image, const Methods& methods, const Metrics& metrics,
                               const std::string& target, const PhotoEvidence& evidence, const Execution& execution,
                               WhereRefused refused) {
  const PreparedImage prepared = model.prepare(image);
  PhotoEvaluation photo{.path = image.path, .sha256 = image.sha256, .target = only_target(model, prepared, target)};
  const Scorers scorers(model, photo.target);
  for (const auto& method : methods) {
    MethodEvaluation& evaluation = photo.methods.emplace_back();
    std::vector<Explanation> explanations;
    try {
      explanations = method->explain(scorers.for_method(*method), prepared.input, execution);
    } catch (const Error& error) {
      const bool of_model = error.exit_code() == ExitCode::usage || error.exit_code() == ExitCode::model;
      if (refused == WhereRefused::fail || !of_model) throw;
      evaluation.refused = error.what();
      continue;
    }
    if (execution.cancelled && execution.cancelled->load()) throw CancelledError();
    const Explanation& explanation = explanations.at(0);
    evaluation.forwards = explanation.forwards;
    evaluation.backwards = explanation.backwards;
    evaluation.seconds = explanation.seconds;
    for (const auto& metric : metrics) {
      const MetricCase map{.scorer = &scorers.for_metric(*metric, *method),
                           .probability = scorers.probability(),
                           .input = prepared.input[0],
                           .map = explanation.map,
                           .is_signed = explanation.is_signed,
                           .method = method.get(),
                           .model = &model,
                           .target = photo.target,
                           .truth = evidence.truth,
                           .human_map = evidence.human_map,
                           .execution = execution};
      const auto start = std::chrono::steady_clock::now();
      evaluation.scores.push_back(score_or_reason(*metric, map, refused));
      evaluation.score_seconds.push_back(seconds_since(start));
    }
  }
  return photo;
}

}  // namespace vitrail
