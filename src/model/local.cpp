#include "model/local.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "vitrail/target.h"

namespace vitrail {
namespace {

bool is_finite(const Tensor& t) { return std::isfinite(t.sum(at::kDouble).item<double>()); }

Tensor region(const Tensor& image, const ImagePatch& r) {
  return image.narrow(-2, r.top, r.height).narrow(-1, r.left, r.width);
}

}  // namespace

std::unique_ptr<LocalScorer> ModelLocalScorer::make(const Model& model, const std::vector<Target>& targets,
                                                    const std::vector<ImagePatch>& rectangles, int64_t batch) {
  if (!model.plan() || model.preprocess().layout == Layout::flat) return nullptr;
  const bool channels_first = model.preprocess().layout == Layout::nchw;
  auto runs = LocalRuns::make(model.plan()->impl(), rectangles, channels_first, batch);
  return runs ? std::make_unique<ModelLocalScorer>(model, targets, rectangles, std::move(runs)) : nullptr;
}

Tensor ModelLocalScorer::scores(const Tensor& output) const {
  return target_scores(model_.read_outputs({output}, output.size(0)), targets_);
}

Tensor ModelLocalScorer::set_bases(const Tensor& images) {
  const at::NoGradGuard no_grad;
  bases_ = images.clone();
  is_finite_ = is_finite(bases_);
  if (!is_finite_) return target_scores(model_.plan_outputs(bases_), targets_);
  return scores(runs_->set_bases(model_.to_layout(bases_)));
}

Tensor ModelLocalScorer::whole_images(const std::vector<LocalChange>& changes) const {
  Ints sizes = bases_.sizes().vec();
  sizes[0] = static_cast<int64_t>(changes.size());
  const Tensor images = at::empty(sizes, bases_.options());
  for (size_t i = 0; i < changes.size(); ++i) {
    const Tensor image = images[static_cast<int64_t>(i)];
    image.copy_(bases_[changes[i].base]);
    if (changes[i].pixels.defined()) region(image, rectangles_.at(changes[i].rectangle)).copy_(changes[i].pixels);
  }
  return images;
}

bool ModelLocalScorer::is_local(const LocalChange& change) {
  return is_finite_ && runs_->pays(change.rectangle) && (!change.pixels.defined() || is_finite(change.pixels));
}

Tensor ModelLocalScorer::score(const std::vector<LocalChange>& changes) {
  const at::NoGradGuard no_grad;
  std::vector<LocalChange> local, whole;
  std::vector<int64_t> rows;  // of the result: local ones count up from 0, whole ones from -1 down
  for (const LocalChange& change : changes) {
    const bool here = is_local(change);
    rows.push_back(here ? static_cast<int64_t>(local.size()) : -1 - static_cast<int64_t>(whole.size()));
    (here ? local : whole).push_back(change);
  }
  Tensor by_parts = local.empty() ? Tensor() : scores(runs_->run(local, false));
  if (whole.empty()) return by_parts;
  Tensor by_wholes = target_scores(model_.plan_outputs(whole_images(whole)), targets_);
  if (local.empty()) return by_wholes;
  const Tensor result = at::empty({static_cast<int64_t>(changes.size()), by_parts.size(1)}, by_parts.options());
  for (size_t i = 0; i < rows.size(); ++i)
    result[static_cast<int64_t>(i)].copy_(rows[i] >= 0 ? by_parts[rows[i]] : by_wholes[-1 - rows[i]]);
  return result;
}

Tensor ModelLocalScorer::move(const std::vector<LocalChange>& changes) {
  const at::NoGradGuard no_grad;
  for (const LocalChange& change : changes) {
    if (!change.pixels.defined()) continue;
    is_finite_ = is_finite_ && is_finite(change.pixels);
    region(bases_[change.base], rectangles_.at(change.rectangle)).copy_(change.pixels);
  }
  if (is_finite_) return scores(runs_->run(changes, true));
  std::vector<LocalChange> still = changes;
  for (LocalChange& change : still) change.pixels = Tensor();
  return target_scores(model_.plan_outputs(whole_images(still)), targets_);
}

bool ModelLocalScorer::gains() {
  if (!is_finite_) return false;
  for (size_t r = 0; r < rectangles_.size(); ++r)
    if (runs_->pays(r)) return true;
  return false;
}

}  // namespace vitrail
