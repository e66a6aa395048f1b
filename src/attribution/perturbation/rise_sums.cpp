#include "attribution/perturbation/rise_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace vitrail {

RiseSums::RiseSums(int64_t targets, int64_t height, int64_t width, bool in_pairs)
    : height_(height),
      width_(width),
      in_pairs_(in_pairs),
      mask_sum_(at::zeros({height * width}, at::kDouble)),
      mask_square_sum_(mask_sum_.clone()),
      score_sum_(at::zeros({targets}, at::kDouble)),
      score_square_sum_(score_sum_.clone()),
      weighted_(at::zeros({targets, height * width}, at::kDouble)),
      weighted_square_(weighted_.clone()),
      squares_weighted_(weighted_.clone()) {}

void RiseSums::add(const Tensor& masks, const Tensor& scores) {
  Tensor finite = at::isfinite(scores).all(1);
  if (in_pairs_) finite = finite.view({-1, 2}).all(1, true).expand({-1, 2}).flatten();
  const Tensor usable = finite.nonzero().squeeze(1);
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
  if (in_pairs_) add_products_in_pairs(m, g);
}

// With a = M g + M' g' and c = M + M', the sums of a^2, a c and c^2 exceed those of single masks by these.
void RiseSums::add_products_in_pairs(const Tensor& masks, const Tensor& scores) {
  const auto every_second = [](const Tensor& t, int64_t axis, int64_t first) {
    return t.slice(axis, first, t.size(axis), 2);
  };
  const Tensor m = every_second(masks, 0, 0) * every_second(masks, 0, 1);
  const Tensor g = every_second(scores, 1, 0), other = every_second(scores, 1, 1);
  mask_square_sum_ += m.sum(0) * 2;
  weighted_square_.addmm_(g + other, m);
  squares_weighted_.addmm_(g * other * 2, m);
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
