#include "vitrail/scorer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <vitrail/error.h>

#include "vitrail/error.h"

namespace vitrail {

Tensor Scorer::pixel(double value, int64_t channels) const { return at::full({channels, 1, 1}, value); }

std::unique_ptr<LocalScorer> Scorer::local(const std::vector<ImagePatch>&, int64_t) const { return nullptr; }

Tensor Scorer::prepare(const std::filesystem::path& photo) const {
  throw UsageError("\"" + photo.string() +
                   "\" cannot be used here: this scorer knows no preprocessing for photos. Take a "
                   "baseline that needs none, such as zero, mean or blur.");
}

Tensor DifferentiableScorer::score_with_rule(const Tensor& inputs, BackwardRule rule) const {
  if (rule != BackwardRule::plain)
    throw UsageError(
        "this scorer cannot change its backward pass: guided and deconv rules need the operators of a network. Load "
        "the model as a graph, or take a method of the plain gradient such as saliency.");
  return differentiable_score(inputs);
}

Tensor Suffix::score_with_rule(const Tensor& activations, BackwardRule rule) const {
  if (rule != BackwardRule::plain)
    throw UsageError(
        "this scorer cannot change its backward pass behind a layer: guided and deconv rules need the operators of a "
        "network. Load the model as a graph, or take a method of the plain gradient such as saliency.");
  return score(activations);
}

namespace {

/// By way of activation() and score_from().
class PlainSuffix : public Suffix {
 public:
  PlainSuffix(const Probe& probe, const Tensor& inputs, std::string layer)
      : probe_(probe), inputs_(inputs), layer_(std::move(layer)) {
    const at::NoGradGuard no_grad;
    activation_ = probe.activation(inputs, layer_);
  }
  const Tensor& activation() const override { return activation_; }
  Tensor score(const Tensor& activations) const override {
    const int64_t n = activations.size(0);
    return probe_.score_from(inputs_.size(0) == n ? inputs_ : inputs_.expand({n, -1, -1, -1}), layer_, activations);
  }
  std::vector<std::string> gradient_warnings() const override { return probe_.gradient_warnings(); }

 private:
  const Probe& probe_;
  Tensor inputs_, activation_;
  std::string layer_;
};

}  // namespace

std::unique_ptr<const Suffix> Probe::suffix(const Tensor& inputs, const std::string& layer) const {
  return std::make_unique<PlainSuffix>(*this, inputs, layer);
}

std::vector<BiasTerm> Probe::bias_terms(const Tensor&) const {
  throw UsageError(
      "this scorer does not know its biases: fullgrad needs the operators of a network. Load the model as a graph, or "
      "take integrated_gradients, which adds up to the score's rise without them.");
}

}  // namespace vitrail
