#pragma once

#include <memory>

#include "vitrail/model.h"

namespace vitrail {

/// A graph read through one set of targets: the Scorer, DifferentiableScorer and Probe of a Model.
class ModelProbe : public Probe {
 public:
  ModelProbe(const Model& model, std::vector<Target> targets, const RunOptions& options)
      : model_(model), targets_(std::move(targets)), options_(options) {}

  Tensor score(const Tensor& inputs) const override;
  Tensor differentiable_score(const Tensor& inputs) const override;
  int64_t gradient_batch() const override;
  Tensor score_with_rule(const Tensor& inputs, BackwardRule rule) const override;
  std::vector<Target> targets() const override { return targets_; }
  std::map<std::string, std::string> engine() const override;
  std::unique_ptr<LocalScorer> local(const std::vector<ImagePatch>& rectangles, int64_t batch) const override;
  Tensor pixel(double value, int64_t channels) const override;
  Tensor prepare(const std::filesystem::path& photo) const override;
  std::vector<std::string> gradient_warnings() const override;
  std::vector<LayerInfo> spatial_layers() const override;
  Tensor activation(const Tensor& inputs, const std::string& layer) const override;
  Tensor score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const override;
  std::unique_ptr<const Suffix> suffix(const Tensor& inputs, const std::string& layer) const override;
  std::vector<std::string> not_affine_behind(const std::string& layer) const override;
  std::vector<BiasTerm> bias_terms(const Tensor& input) const override;
  const Model* model() const override { return &model_; }

 private:
  Model model_;  ///< shares the graph
  std::vector<Target> targets_;
  RunOptions options_;
};

}  // namespace vitrail
