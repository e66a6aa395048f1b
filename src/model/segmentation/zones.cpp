#include "model/segmentation/zones.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace vitrail {
namespace {

/// bool [h,w]: cells with one of the zone among their neighbours or themselves.
Tensor grown(const Tensor& zone) {
  const Tensor cells = zone.to(at::kFloat).unsqueeze(0).unsqueeze(0);
  return at::max_pool2d(cells, {3, 3}, {1, 1}, {1, 1})[0][0].gt(0.5);
}

}  // namespace

Tensor class_map(const Tensor& scores) {
  if (scores.size(0) == 1) return at::where(scores[0] > 0, 0, -1).to(at::kLong);
  return scores.argmax(0);
}

Tensor connected_blob(const Tensor& classes, int64_t row, int64_t column) {
  const Tensor map = classes.contiguous();
  const int64_t height = map.size(0), width = map.size(1);
  Tensor zone = at::zeros({height, width}, at::kBool);
  const int64_t* of = map.const_data_ptr<int64_t>();
  bool* in = zone.data_ptr<bool>();
  const int64_t wanted = of[row * width + column];
  std::vector<int64_t> open = {row * width + column};
  in[open[0]] = true;
  while (!open.empty()) {
    const int64_t cell = open.back(), y = cell / width, x = cell % width;
    open.pop_back();
    const auto visit = [&](bool exists, int64_t next) {
      if (!exists || in[next] || of[next] != wanted) return;
      in[next] = true;
      open.push_back(next);
    };
    visit(y > 0, cell - width);
    visit(y + 1 < height, cell + width);
    visit(x > 0, cell - 1);
    visit(x + 1 < width, cell + 1);
  }
  return zone;
}

Tensor inner_border(const Tensor& zone) { return zone.logical_and(grown(zone.logical_not())); }
Tensor outer_border(const Tensor& zone) { return grown(zone).logical_and(zone.logical_not()); }

Tensor signed_mask(const Image& picture, const Rectangle& placed, int64_t height, int64_t width) {
  const Tensor pixels = picture.pixels.to(at::kFloat);
  const Tensor value = (std::get<0>(pixels.min(2)) + pixels.select(2, 1) - pixels.select(2, 0)) / 255;
  const auto range = [](double begin, double end, int64_t size) {
    const auto first = std::clamp<int64_t>(std::llround(begin), 0, size - 1);
    return std::pair{first, std::clamp<int64_t>(std::llround(end), first + 1, size) - first};
  };
  const auto [y, rows] = range(placed.y0, placed.y1, value.size(0));
  const auto [x, columns] = range(placed.x0, placed.x1, value.size(1));
  const Tensor seen = value.narrow(0, y, rows).narrow(1, x, columns);
  return at::adaptive_avg_pool2d(seen.unsqueeze(0).unsqueeze(0), {height, width})[0][0];
}

ZoneTarget::ZoneTarget(const Tensor& mask, int64_t index) : region_(mask > 0), index_(index) {
  const Tensor flat = mask.flatten();
  cells_ = flat.nonzero().flatten();
  weights_ = flat.index_select(0, cells_) / static_cast<double>(cells_.size(0));
}

Tensor ZoneTarget::score(const ModelOutput& output) const {
  // By selection: what is not a number outside of the zone stays there.
  const Tensor scores = output.scores.select(1, index_).flatten(1).index_select(1, cells_);
  return (scores * weights_.to(scores.scalar_type())).sum(1);
}

}  // namespace vitrail
