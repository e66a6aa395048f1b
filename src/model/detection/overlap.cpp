#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "vitrail/output.h"

namespace vitrail {
namespace {

/// Edges nearer than this share of a box's size count as one.
constexpr double kTie = 1e-3;

/// max(a,b). Its derivative passes smoothly from one operand to the other where they differ by about `width`, so that
/// at a tie each has a half of it and rounding cannot decide.
Tensor maximum(const Tensor& a, const Tensor& b, const Tensor& width) {
  Tensor exact = at::maximum(a, b);
  if (!a.requires_grad() && !b.requires_grad()) return exact;
  const Tensor smooth = (a + b + ((a - b).square() + width.square()).sqrt()) / 2;
  return smooth + (exact - smooth).detach();
}

Tensor minimum(const Tensor& a, const Tensor& b, const Tensor& width) { return -maximum(-a, -b, width); }

struct Edges {
  Tensor low, high;  ///< along one axis
  Tensor length() const { return (high - low).clamp_min(0); }
};

Edges edges(const Tensor& boxes, int64_t axis) { return {boxes.select(-1, axis), boxes.select(-1, axis + 2)}; }

/// Of two intervals, what they share.
Tensor shared_length(const Edges& a, const Edges& b) {
  const Tensor tie = ((a.length() + b.length()).detach() * (kTie / 2)).clamp_min(1e-12);
  return (minimum(a.high, b.high, tie) - maximum(a.low, b.low, tie)).clamp_min(0);
}

}  // namespace

Tensor overlap(const Tensor& a, const Tensor& b) {
  const Edges ax = edges(a, 0), ay = edges(a, 1), bx = edges(b, 0), by = edges(b, 1);
  const Tensor shared = shared_length(ax, bx) * shared_length(ay, by);
  const Tensor all = ax.length() * ay.length() + bx.length() * by.length() - shared;
  return at::where(all > 0, shared / at::where(all > 0, all, 1), 0);
}

std::string to_string(OutputKind kind) {
  switch (kind) {
    case OutputKind::logits:
      return "logits";
    case OutputKind::regression:
      return "regression";
    case OutputKind::embedding:
      return "embedding";
    case OutputKind::segmentation:
      return "segmentation";
    case OutputKind::boxes:
      return "boxes";
  }
  return {};
}

Tensor ModelOutput::confidence() const { return objectness.defined() ? objectness : std::get<0>(scores.max(2)); }

ModelOutput ModelOutput::sample(int64_t n) const {
  const auto one = [n](const Tensor& t) { return t.defined() ? t.narrow(0, n, 1) : t; };
  return {kind, one(scores), one(boxes), one(objectness)};
}

std::vector<Detection> suppress(const ModelOutput& output, const SuppressionOptions& options) {
  const at::NoGradGuard no_grad;
  const Tensor& boxes = output.boxes[0];
  const auto [best, index] = output.scores[0].max(1);
  const Tensor score = output.objectness.defined() ? output.objectness[0] * best : best;
  const Tensor candidates = (score >= options.score_threshold).nonzero().flatten();  // NaN is no candidate
  const Tensor order = candidates.index_select(0, score.index_select(0, candidates).argsort(-1, /*descending=*/true));
  std::vector<Detection> kept;
  for (int64_t i = 0; i < order.size(0) && static_cast<int64_t>(kept.size()) < options.most; ++i) {
    const auto box = order[i].item<int64_t>(), of_class = index[box].item<int64_t>();
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Detection& other) {
      return other.index == of_class &&
             overlap(boxes[box], boxes[other.box]).item<double>() > options.overlap_threshold;
    });
    if (covered) continue;
    const Tensor corners = boxes[box].to(at::kDouble).contiguous();
    const double* corner = corners.const_data_ptr<double>();
    kept.push_back({box, of_class, score[box].item<double>(), corner[0], corner[1], corner[2], corner[3]});
  }
  return kept;
}

}  // namespace vitrail
