#pragma once

// Attribution on any value of the network: the rest of it, behind a layer, as a scorer of that layer's value.
//
//   const LayerScorer scorer(probe, input, "layer3");
//   saliency(scorer, scorer.value());             // which cells and channels of layer3 the score is sensitive to
//   occlusion(scorer, scorer.value(), {.patch = 1, .stride = 1});
//
// No method knows of it: the value [1,K,h,w] (Suffix) is the input, and only what lies behind the layer is computed.
// What runs past the layer (residual branches, class tokens) stays as it is for the input. In a method string the
// option `layer=NAME` does the same and enlarges the map to the input's size where the layer has a place in the photo;
// the native values are then the result's `cells`.
//
// Baselines   zero is 0 at the layer, mean and blur are of its value; a number is a value at the layer (black is 0,
//             white 255); dataset:DIR and samples:DIR are the layer's values for those photos.
// Cost        one forward when made; a score costs what lies behind the layer.
// Errors      UsageError for unknown layers and for values that do not hold one row a sample.
//
// Immutable; may be used from several threads at once. The probe must outlive it.

#include <vitrail/scorer.h>

#include <memory>
#include <string>
#include <vector>

namespace vitrail {

class LayerScorer : public DifferentiableScorer {
 public:
  /// `input` [1,C,H,W].
  LayerScorer(const Probe& probe, const Tensor& input, const std::string& layer);

  /// The layer's value for the input, [1,K,h,w].
  const Tensor& value() const { return suffix_->activation(); }
  /// Whether its rows and columns are places of the photo.
  bool has_place() const { return suffix_->has_place(); }

  Tensor score(const Tensor& values) const override;
  Tensor differentiable_score(const Tensor& values) const override;
  Tensor score_with_rule(const Tensor& values, BackwardRule rule) const override;
  std::vector<Target> targets() const override { return probe_.targets(); }
  Tensor pixel(double value, int64_t channels) const override;
  Tensor prepare(const std::filesystem::path& photo) const override;
  std::vector<std::string> gradient_warnings() const override { return suffix_->gradient_warnings(); }

 private:
  const Probe& probe_;
  std::string layer_;
  std::unique_ptr<const Suffix> suffix_;
};

}  // namespace vitrail
