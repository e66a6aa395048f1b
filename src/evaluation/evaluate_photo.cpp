#include <vitrail/error.h>
#include <vitrail/evaluate.h>
#include <vitrail/human_alignment.h>
#include <vitrail/truth.h>

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

}  // namespace

std::optional<Target> as_probability(const Target& target) {
  if (target.function || target.index < 0 || target.versus >= 0) return std::nullopt;
  Target probability = target;
  probability.unit = TargetUnit::probability;
  return probability;
}

bool explains_again(const MetricInfo& metric) {
  return metric.evidence == Evidence::method || metric.evidence == Evidence::model;
}

MethodEvaluation judge(const Explanation& explanation, MetricCase map, const Scorer& fast, const Metrics& metrics,
                       WhereRefused refused) {
  MethodEvaluation evaluation{
      .forwards = explanation.forwards, .backwards = explanation.backwards, .seconds = explanation.seconds};
  map.map = explanation.map;
  map.is_signed = explanation.is_signed;
  const Scorer* own = map.scorer;
  for (const auto& metric : metrics) {
    map.scorer = explains_again(metric->info()) ? own : &fast;
    const auto start = std::chrono::steady_clock::now();
    evaluation.scores.push_back(score_or_reason(*metric, map, refused));
    evaluation.score_seconds.push_back(seconds_since(start));
  }
  return evaluation;
}

std::map<std::string, double> human_ceilings(const Metrics& metrics, const Tensor& maps) {
  std::map<std::string, double> ceilings;
  for (const auto& metric : metrics)
    if (metric->info().evidence == Evidence::human_map)
      ceilings[metric->canonical()] = human_ceiling(*metric, maps).value;
  return ceilings;
}

PhotoEvaluation evaluate_photo(const Model& model, const Image& image, const Methods& methods, const Metrics& metrics,
                               const std::string& target, const PhotoEvidence& evidence, const Execution& execution,
                               WhereRefused refused, int64_t repeats) {
  if (repeats < 1)
    throw UsageError("evaluate_photo: found " + std::to_string(repeats) + " repeats, expected at least 1.");
  const PreparedImage prepared = model.prepare(image);
  PhotoEvaluation photo{.path = image.path, .sha256 = image.sha256, .target = only_target(model, prepared, target)};
  Tensor human_map = evidence.human_map;
  if (human_map.defined() && human_map.dim() == 3) {
    if (human_map.size(0) > 1) photo.ceilings = human_ceilings(metrics, human_map);
    human_map = mean_human_map(human_map);
  }
  const Tensor truth = evidence.truth_is_target ? truth_of_target(photo.target, prepared) : evidence.truth;
  const auto by_plan = model.probe({photo.target}), by_graph = model.without_plan().probe({photo.target});
  std::unique_ptr<Probe> probability;
  if (const auto target_probability = as_probability(photo.target)) probability = model.probe({*target_probability});
  const auto evaluate = [&](const Method& method) {
    // Also one gradient of each photo, where the plan gives gradients: metrics that explain again take many.
    const bool by_gradients = method.info().access == Access::gradient && model.plan() && model.plan()->has_gradients();
    const Probe& probe = method.info().uses_plan() || by_gradients ? *by_plan : *by_graph;
    std::vector<Explanation> explanations;
    try {
      explanations = method.explain(probe, prepared.input, execution);
    } catch (const Error& error) {
      const bool of_model = error.exit_code() == ExitCode::usage || error.exit_code() == ExitCode::model;
      if (refused == WhereRefused::fail || !of_model) throw;
      return MethodEvaluation{.refused = error.what()};
    }
    if (execution.cancelled && execution.cancelled->load()) throw CancelledError();
    const MetricCase map{.scorer = &probe,
                         .probability = probability.get(),
                         .input = prepared.input[0],
                         .method = &method,
                         .model = &model,
                         .target = photo.target,
                         .truth = truth,
                         .human_map = human_map,
                         .execution = execution};
    return judge(explanations.at(0), map, *by_plan, metrics, refused);
  };
  for (const auto& method : methods) {
    std::vector<MethodEvaluation> found = {evaluate(*method)};
    for (int64_t r = 1; r < repeats && found[0].refused.empty(); ++r)
      if (const auto other = reseeded(*method, static_cast<uint64_t>(r))) found.push_back(evaluate(*other));
    photo.methods.push_back(found.size() == 1 ? std::move(found[0]) : average_repeats(found));
  }
  return photo;
}

}  // namespace vitrail
