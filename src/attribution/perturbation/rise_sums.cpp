#include "attribution/perturbation/rise_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace vitrail {

RiseSums::RiseSums(int64_t targets, int64_t height, int64_t width)
    : height_(height),
      width_(width),
      mask_sum_(at::zeros({height * width}, at::kDouble)),
      mask_square_sum_(mask_sum_.clone()),
      score_sum_(at::zeros({targets}, at::kDouble)),
      score_square_sum_(score_sum_.clone()),
      weighted_(at::zeros({targets, height * width}, at::kDouble)),
      weighted_square_(weighted_.clone()),
      squares_weighted_(weighted_.clone()) {}

void RiseSums::add(const Tensor& masks, const Tensor& scores) {
  const Tensor usable = at::isfinite(scores).all(1).nonzero().squeeze(1);
  masks_ += usable.numel();
  left_out_ += scores.size(0) - usable.numel();
  const Tensor m = masks.flatten(1).index_select(0, usable).to(at::kDouble), m2 = m.square();  // [n,HW]
  const Tensor g = scores.index_select(0, usable).to(at::kDouble).t(), g2 = g.square();        // [T,n]
  mask_sum_ += m.sum(0);
  mask_square_sum_ += m2.sum(0);
  score_sum_ += g.sum(1);
  score_square_sum_ += g2.sum(1);
  weighted_.addmm_(g, m);
  weighted_square_.addmm_(g, m2);
  squares_weighted_.addmm_(g2, m2);
}

Tensor RiseSums::mean_scores() const { return score_sum_ / std::max<int64_t>(masks_, 1); }

Tensor RiseSums::score_deviations() const {
  const double n = static_cast<double>(std::max<int64_t>(masks_, 2));
  return ((score_square_sum_ - score_sum_.square() / n) / (n - 1)).clamp_min(0).sqrt();
}

Tensor RiseSums::value() const {
  const Tensor value = at::where(mask_sum_ > 0, weighted_ / mask_sum_, mean_scores().unsqueeze(1));
  return value.view({-1, height_, width_});
}

Tensor RiseSums::standard_error() const {
  const Tensor v = value().flatten(1);
  const Tensor residual = squares_weighted_ - v * weighted_square_ * 2 + v.square() * mask_square_sum_;
  const Tensor error = residual.clamp_min(0).sqrt() / mask_sum_;
  return at::where(mask_sum_ > 0, error, score_deviations().unsqueeze(1)).view({-1, height_, width_});
}

}  // namespace vitrail
