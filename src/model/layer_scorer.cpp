#include "vitrail/layer_scorer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

namespace vitrail {

LayerScorer::LayerScorer(const Probe& probe, const Tensor& input, const std::string& layer)
    : probe_(probe), layer_(layer), suffix_(probe.suffix(input, layer)) {}

Tensor LayerScorer::score(const Tensor& values) const {
  const at::NoGradGuard no_grad;
  return suffix_->score(values);
}

Tensor LayerScorer::differentiable_score(const Tensor& values) const { return suffix_->score(values); }

Tensor LayerScorer::score_with_rule(const Tensor& values, BackwardRule rule) const {
  return suffix_->score_with_rule(values, rule);
}

Tensor LayerScorer::pixel(double value, int64_t channels) const { return at::full({channels, 1, 1}, value); }

Tensor LayerScorer::prepare(const std::filesystem::path& photo) const {
  return probe_.suffix(probe_.prepare(photo).unsqueeze(0), layer_)->activation()[0];
}

}  // namespace vitrail
