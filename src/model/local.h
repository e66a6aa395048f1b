#pragma once

// A model's scores of images that differ from a base in a rectangle: by its plan, run on what changes.

#include <vitrail/local_scorer.h>

#include <memory>
#include <vector>

#include "plan/local.h"
#include "vitrail/model.h"

namespace vitrail {

class ModelLocalScorer : public LocalScorer {
 public:
  /// Null where the model has no plan, its input is no picture, or nothing in it is local.
  static std::unique_ptr<LocalScorer> make(const Model& model, const std::vector<Target>& targets,
                                           const std::vector<ImagePatch>& rectangles, int64_t batch);

  ModelLocalScorer(const Model& model, const std::vector<Target>& targets, std::vector<ImagePatch> rectangles,
                   std::unique_ptr<LocalRuns> runs)
      : model_(model), targets_(targets), rectangles_(std::move(rectangles)), runs_(std::move(runs)) {}

  Tensor set_bases(const Tensor& images) override;
  Tensor score(const std::vector<LocalChange>& changes) override;
  Tensor move(const std::vector<LocalChange>& changes) override;
  bool gains() override;
  std::string record() const override { return runs_->record(); }

 private:
  Tensor scores(const Tensor& output) const;
  Tensor whole_images(const std::vector<LocalChange>& changes) const;
  bool is_local(const LocalChange& change);

  const Model model_;
  const std::vector<Target> targets_;
  std::vector<ImagePatch> rectangles_;
  std::unique_ptr<LocalRuns> runs_;
  Tensor bases_;            ///< [B,C,H,W]
  bool is_finite_ = false;  ///< of the bases: plans are for finite numbers only, see Model::plan_outputs
};

}  // namespace vitrail
