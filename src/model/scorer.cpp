#include "vitrail/scorer.h"

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

}  // namespace vitrail
