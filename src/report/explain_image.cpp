#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "vitrail/error.h"
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

RunRecord record_run(const Model& model, const Methods& methods, std::span<const std::string> targets,
                     const Execution& execution) {
  RunRecord record;
  for (const auto& method : methods) record.methods.push_back(method->canonical());
  record.targets.assign(targets.begin(), targets.end());
  record.plan = model.plan() ? "auto" : "none";
  record.engine = model.plan() ? model.plan()->record() : std::map<std::string, std::string>{{"engine", "plain"}};
  record.batch = execution.batch;
  record.threads = at::get_num_threads();
  record.device = model.graph().device().str();
  return record;
}

ImageResult explain_image(const Model& model, const Image& image, const Methods& methods,
                          std::span<const std::string> targets, const Execution& execution, WhereRefused refused) {
  const PreparedImage prepared = model.prepare(image);
  ImageResult result;
  result.image = image;
  result.placed = prepared.placed;
  result.run = record_run(model, methods, targets, execution);
  result.prediction = model.predict(prepared, kPredictions);
  const std::vector<Target> found = model.targets(targets, prepared);
  const auto by_plan = model.probe(found), by_graph = model.without_plan().probe(found);
  const auto leave_out = [&](const Method& method, const Error& error) {
    result.not_applicable.push_back({method.canonical(), error.what()});
  };
  const auto cancelled = [&] { return execution.cancelled && execution.cancelled->load(); };
  for (const auto& method : methods) {
    result.interrupted = cancelled();
    if (result.interrupted) break;
    const Probe& probe = method->info().uses_plan() ? *by_plan : *by_graph;
    try {
      auto explanations = method->explain(probe, prepared.input, execution);
      std::move(explanations.begin(), explanations.end(), std::back_inserter(result.explanations));
    } catch (const UsageError& error) {
      if (refused == WhereRefused::fail) throw;
      leave_out(*method, error);
    } catch (const ModelError& error) {
      if (refused == WhereRefused::fail) throw;
      leave_out(*method, error);
    }
  }
  result.interrupted = result.interrupted || (cancelled() && result.partial());
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
  const auto probe = model.probe(model.targets(targets, prepared));
  estimate.targets = static_cast<int64_t>(probe->targets().size());
  estimate.seconds_per_forward = measure_forward(model, input, execution.batch);
  for (const auto& method : methods) {
    const Method::Cost cost = method->cost_on(*probe, input.size(2), input.size(3));
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
