#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>

#include "vitrail/report.h"

namespace vitrail {
namespace {

constexpr int64_t kPredictions = 5;

/// Seconds of a forward a sample: the fastest of three full batches, after one that warms up.
double measure_forward(const Model& model, const Tensor& input, int64_t batch) {
  at::NoGradGuard no_grad;
  const Tensor samples = input.repeat({batch, 1, 1, 1});
  model.plan_outputs(samples);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    model.plan_outputs(samples);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = i == 0 ? seconds : std::min(best, seconds);
  }
  return best / static_cast<double>(batch);
}

}  // namespace

bool ImageResult::partial() const {
  return interrupted || std::any_of(explanations.begin(), explanations.end(), [](const auto& e) { return e.partial; });
}

ImageResult explain_image(const Model& model, const Image& image, const Methods& methods,
                          std::span<const std::string> targets, const Execution& execution) {
  const PreparedImage prepared = model.prepare(image);
  ImageResult result;
  result.image = image;
  result.placed = prepared.placed;
  result.prediction = model.predict(prepared, kPredictions);
  const std::vector<Target> found = model.targets(targets, prepared);
  const auto by_plan = model.probe(found), by_graph = model.without_plan().probe(found);
  for (const auto& method : methods) {
    result.interrupted = execution.cancelled && execution.cancelled->load();
    if (result.interrupted) break;
    const Probe& probe = method->info().access == Access::scorer ? *by_plan : *by_graph;
    for (Explanation& explanation : method->explain(probe, prepared.input, execution))
      result.explanations.push_back(std::move(explanation));
  }
  return result;
}

std::string default_methods(const Model& model) {
  Target any;
  any.index = 0;
  return model.probe({any})->spatial_layers().empty() ? "sobol" : "gradcam,sobol";
}

Estimate estimate_explanations(const Model& model, const Image& image, const Methods& methods,
                               std::span<const std::string> targets, const Execution& execution) {
  const PreparedImage prepared = model.prepare(image);
  const Tensor& input = prepared.input;
  Estimate estimate;
  estimate.targets = static_cast<int64_t>(model.targets(targets, prepared).size());
  estimate.seconds_per_forward = measure_forward(model, input, execution.batch);
  for (const auto& method : methods) {
    const Method::Cost cost = method->cost(input.size(2), input.size(3), estimate.targets);
    const auto steps = static_cast<double>(cost.forwards + 2 * cost.backwards);
    estimate.methods.push_back(
        {method->canonical(), cost.forwards, cost.backwards, steps * estimate.seconds_per_forward});
  }
  return estimate;
}

double Estimate::seconds() const {
  double sum = 0;
  for (const MethodEstimate& method : methods) sum += method.seconds;
  return sum;
}

}  // namespace vitrail
