#include "attribution/perturbation/fill.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include "attribution/maps.h"
#include "attribution/perturbation/imputation.h"

namespace vitrail {

namespace {

constexpr double linear_noise = 0.01;  // of the image's range
constexpr uint64_t linear_seed = 1;

}  // namespace

Fill::Fill(const Baseline& baseline, const Tensor& input, const Scorer& scorer) : baseline_(baseline), input_(input) {
  if (baseline.depends_on_sample())
    photos_ = baseline.photos(input, scorer);
  else if (!baseline.depends_on_mask())
    fixed_ = baseline.resolve(input, scorer);
}

Tensor Fill::values(const Tensor& masks, std::span<const int64_t> points) const {
  if (fixed_.defined()) return fixed_;
  Tensors values;
  for (int64_t i = 0; i < masks.size(0); ++i) {
    const int64_t point = points[static_cast<size_t>(i)];
    if (photos_.defined()) {
      values.push_back(photos_[point % photos_.size(0)]);
      continue;
    }
    const bool harmonic = baseline_.name() == "inpaint";
    values.push_back(impute(input_, masks[i][0] < 0.5, harmonic ? Neighbours::four : Neighbours::eight,
                            harmonic ? 0 : linear_noise * range_of(input_), linear_seed, static_cast<uint64_t>(point)));
  }
  return at::stack(values);
}

bool Fill::depends_on_number() const { return photos_.defined() || baseline_.name() == "linear"; }

int64_t Fill::ways_to_hide_all() const { return photos_.defined() ? photos_.size(0) : 1; }

}  // namespace vitrail
