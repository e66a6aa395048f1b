#include "evaluation/stability/neighbours.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "attribution/random.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

/// x + xi of neighbours first .. first + count - 1: [count,C,H,W].
Tensor draw(const Tensor& input, const Neighbourhood& neighbourhood, int64_t first, int64_t count) {
  Tensor change = at::empty({count, input.numel()}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    Random random(neighbourhood.seed, RandomStream::neighbour, static_cast<uint64_t>(first + i));
    random.fill_uniform({change.mutable_data_ptr<float>() + i * input.numel(), static_cast<size_t>(input.numel())});
  }
  change.mul_(neighbourhood.high - neighbourhood.low).add_(neighbourhood.low);
  return input.unsqueeze(0) + change.view({count, input.size(0), input.size(1), input.size(2)}).to(input.options());
}

}  // namespace

Tensor movement(const MetricCase& map, const Change& change) {
  return change.neighbour.to(at::kDouble) - map.input.to(at::kDouble);
}

double norm_of(const Tensor& tensor) { return at::linalg_vector_norm(tensor).item<double>(); }

MetricScore over_neighbours(const MetricCase& map, const Neighbourhood& neighbourhood, Over over,
                            const std::function<double(const Change&)>& number) {
  CaseRun run(map, Activation::none);
  Execution execution = map.execution;
  execution.listener = nullptr;  // it hears of maps that are asked for, not of every neighbour's
  const Tensor relevance = map.map.to(at::kDouble);
  const double base = run.base();
  MetricScore score;
  int64_t broken = 0;
  double output_change = 0;
  for (int64_t first = 0, n; first < neighbourhood.samples; first += n) {
    n = std::min(execution.batch, neighbourhood.samples - first);
    const Tensor inputs = draw(map.input, neighbourhood, first, n);
    const std::vector<Explanation> explained = map.method->explain(*map.scorer, inputs, execution);
    if (execution.cancelled && execution.cancelled->load()) throw CancelledError();
    for (int64_t i = 0; i < n; ++i) {
      const Explanation& one = explained[static_cast<size_t>(i)];
      const Change change = {inputs[i], one.map.to(at::kDouble) - relevance, one.score - base};
      const double value = number(change);
      if (!std::isfinite(value)) ++broken;
      score.value = over == Over::mean ? score.value + value : std::max(score.value, value);
      output_change += std::abs(change.score);
      score.forwards += one.forwards;
      score.backwards += one.backwards;
    }
  }
  if (broken > 0)
    return undefined_score("the maps of " + std::to_string(broken) + " of " + std::to_string(neighbourhood.samples) +
                           " neighbours cannot be compared: they are constant or not finite");
  const auto samples = static_cast<double>(neighbourhood.samples);
  if (over == Over::mean) score.value /= samples;
  score.parts["output_change"] = output_change / samples;
  score.forwards += run.forwards();
  return score;
}

MetricInfo describe_stability(std::string name, std::string summary, std::string formula, std::string range,
                              std::string source) {
  return {.name = std::move(name),
          .family = "stability",
          .summary = std::move(summary),
          .formula = std::move(formula),
          .direction = Direction::lower,
          .evidence = Evidence::method,
          .range = std::move(range),
          .cost = "samples maps",
          .source = std::move(source)};
}

}  // namespace vitrail
