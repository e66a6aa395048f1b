#include <vitrail/input_invariance.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <memory>

#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

/// g'(z) = g(z - shift). `Base`: as much of a scorer as the one behind is.
template <class Base>
class Shifted : public Base {
 public:
  Shifted(const Base& behind, double shift) : behind_(behind), shift_(shift) {}
  Tensor score(const Tensor& inputs) const override { return behind_.score(inputs - shift_); }
  std::vector<Target> targets() const override { return behind_.targets(); }
  Tensor pixel(double value, int64_t channels) const override { return behind_.pixel(value, channels) + shift_; }
  Tensor prepare(const std::filesystem::path& photo) const override { return behind_.prepare(photo) + shift_; }

 protected:
  const Base& behind_;
  double shift_;
};

class ShiftedDifferentiable : public Shifted<DifferentiableScorer> {
 public:
  using Shifted::Shifted;
  Tensor differentiable_score(const Tensor& inputs) const override {
    return behind_.differentiable_score(inputs - shift_);
  }
  Tensor score_with_rule(const Tensor& inputs, BackwardRule rule) const override {
    return behind_.score_with_rule(inputs - shift_, rule);
  }
  int64_t gradient_batch() const override { return behind_.gradient_batch(); }
};

std::unique_ptr<Scorer> shift_inputs(const Scorer& scorer, double shift) {
  if (const auto* differentiable = dynamic_cast<const DifferentiableScorer*>(&scorer))
    return std::make_unique<ShiftedDifferentiable>(*differentiable, shift);
  return std::make_unique<Shifted<Scorer>>(scorer, shift);
}

MetricScore compare(const MetricCase& map, double shift) {
  const Access access = map.method->info().access;
  if (access == Access::layer || access == Access::graph)
    return undefined_score(map.method->info().name + " looks into the network, whose inputs cannot be shifted");
  const Tensor relevance = map.map.to(at::kDouble);
  const double size = at::linalg_vector_norm(relevance).item<double>();
  if (size == 0) return undefined_score("the map is zero everywhere: no change can be a share of it");
  const std::unique_ptr<Scorer> shifted = shift_inputs(*map.scorer, shift);
  Execution execution = map.execution;
  execution.listener = nullptr;  // it hears of maps that are asked for
  const Explanation other = map.method->explain(*shifted, map.input.unsqueeze(0) + shift, execution)[0];
  if (execution.cancelled && execution.cancelled->load()) throw CancelledError();
  const std::string broken = describe_non_finite_map(other.map);
  if (!broken.empty()) return undefined_score("of the shifted input, " + broken);
  return {.value = at::linalg_vector_norm(other.map.to(at::kDouble) - relevance).item<double>() / size,
          .forwards = other.forwards,
          .backwards = other.backwards};
}

OptionTable<InputInvarianceOptions> options_table() {
  return OptionTable<InputInvarianceOptions>(
      {option("shift", &InputInvarianceOptions::shift, "of every one of the model's input values")});
}

const MetricDefinition<InputInvarianceOptions>& definition() {
  static const MetricDefinition<InputInvarianceOptions> definition(
      {.name = "input_invariance",
       .family = "axioms",
       .summary = "Relative change of the map for the same model with shifted inputs.",
       .formula = "||phi_g(x) - phi_g'(x + s)||_2 / ||phi_g(x)||_2,  g'(z) = g(z - s)",
       .direction = Direction::lower,
       .evidence = Evidence::method,
       .range = "from 0",
       .cost = "1 map",
       .source = "Kindermans et al., The (Un)reliability of saliency methods, 2017"},
      options_table(), input_invariance);
  return definition;
}

}  // namespace

const MetricEntry& input_invariance_metric() { return definition(); }

MetricScore input_invariance(const MetricCase& map, const InputInvarianceOptions& options) {
  return definition().run(map, options, [&] { return compare(map, options.shift); });
}

}  // namespace vitrail
