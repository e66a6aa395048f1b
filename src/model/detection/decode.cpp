#include "model/detection/decode.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "ops/describe.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// x and y of the cells of a grid, rows first, each `per_cell` times: [height*width*per_cell,2].
Tensor grid_of(int64_t height, int64_t width, int64_t per_cell) {
  const auto lines = at::meshgrid({at::arange(height, at::kFloat), at::arange(width, at::kFloat)}, "ij");
  return at::stack({lines[1].flatten(), lines[0].flatten()}, 1).repeat_interleave(per_cell, 0);
}

Tensor activate(const Tensor& scores, Activation activation) {
  switch (activation) {
    case Activation::none:
      return scores;
    case Activation::sigmoid:
      return at::sigmoid(scores);
    case Activation::softmax:
      return at::softmax(scores, -1);
  }
  return scores;
}

void check_shape(const Tensor& value, bool fits, const std::string& expected, const std::string& name) {
  if (fits) return;
  throw ModelError("the output '" + name + "' has the shape " + shape_text(value) + "; its layout has " + expected +
                   ". Correct output.boxes in the record.");
}

/// A head as [N,h*w*A,5+K] in the order of its cells.
Tensor flatten_head(const Tensor& head, int64_t anchors) {
  const Tensor apart =
      head.dim() == 5 ? head
                      : head.reshape({head.size(0), anchors, -1, head.size(2), head.size(3)}).permute({0, 1, 3, 4, 2});
  return apart.permute({0, 2, 3, 1, 4}).flatten(1, 3);
}

/// Box, objectness and classes side by side.
ModelOutput take_apart(const Tensor& boxes, const Tensor& rest) {
  ModelOutput output;
  output.kind = OutputKind::boxes;
  output.boxes = boxes;
  output.objectness = rest.select(2, 0);
  output.scores = rest.size(2) > 1 ? rest.narrow(2, 1, rest.size(2) - 1) : at::ones({rest.size(0), rest.size(1), 1});
  return output;
}

}  // namespace

Tensor to_corners(const Tensor& boxes, BoxFormat format) {
  const auto part = [&](int64_t i) { return boxes.narrow(-1, i, 2); };
  switch (format) {
    case BoxFormat::xyxy:
      return boxes;
    case BoxFormat::yxyx:
      return at::cat({part(0).flip({-1}), part(2).flip({-1})}, -1);
    case BoxFormat::xywh:
      return at::cat({part(0), part(0) + part(2)}, -1);
    case BoxFormat::cxcywh:
      return at::cat({part(0) - part(2) / 2, part(0) + part(2) / 2}, -1);
  }
  return boxes;
}

BoxDecoder::BoxDecoder(BoxRecord record, int64_t height, int64_t width)
    : record_(std::move(record)), height_(height), width_(width) {
  Tensors corners, strides;
  for (size_t i = 0; i < record_.strides.size(); ++i) {
    const double stride = record_.strides[i];
    int64_t per_cell = 1;
    if (record_.layout == BoxLayout::blazeface) per_cell = i == 0 ? 2 : 6;
    if (record_.layout == BoxLayout::yolov3_heads || record_.layout == BoxLayout::yolov5_heads)
      per_cell = static_cast<int64_t>(record_.anchors.size() / 2 / record_.strides.size());
    const auto rows = static_cast<int64_t>(std::ceil(static_cast<double>(height) / stride));
    const auto columns = static_cast<int64_t>(std::ceil(static_cast<double>(width) / stride));
    corners.push_back(grid_of(rows, columns, per_cell));
    strides.push_back(at::full({corners.back().size(0), 1}, stride));
  }
  if (corners.empty()) return;
  corners_ = at::cat(corners);
  strides_ = at::cat(strides);
}

std::vector<std::string> BoxDecoder::values() const {
  std::vector<std::string> names = record_.boxes;
  names.insert(names.end(), record_.scores.begin(), record_.scores.end());
  return names;
}

Tensor BoxDecoder::in_pixels(const Tensor& boxes) const {
  Tensor corners = to_corners(boxes, record_.format);
  if (!record_.unit) return corners;
  const auto w = static_cast<double>(width_), h = static_cast<double>(height_);
  return corners * at::tensor({w, h, w, h}, corners.options());
}

Tensor BoxDecoder::joined(const Tensors& values, bool scores) const {
  const std::vector<std::string>& names = scores ? record_.scores : record_.boxes;
  Tensors parts;
  for (size_t i = 0; i < names.size(); ++i) {
    parts.push_back(values[i + (scores ? record_.boxes.size() : 0)]);
    check_shape(parts.back(), parts.back().dim() == 3, "[N,B,values]", names[i]);
  }
  return at::cat(parts, 1);
}

void BoxDecoder::check_cells(const Tensor& boxes) const {
  check_shape(boxes, boxes.size(1) == corners_.size(0),
              std::to_string(corners_.size(0)) + " boxes at its strides for this input size", record_.boxes[0]);
}

ModelOutput BoxDecoder::decode_rows(const Tensor& rows) const {
  check_shape(rows, rows.dim() == 3 && rows.size(2) >= 5, "[N,B,5+K]", record_.boxes[0]);
  const Tensor rest = activate(rows.narrow(2, 4, rows.size(2) - 4), record_.activation);
  if (record_.layout == BoxLayout::yolov5) return take_apart(in_pixels(rows.narrow(2, 0, 4)), rest);
  check_cells(rows);
  const Tensor centres = (rows.narrow(2, 0, 2) + corners_) * strides_;
  const Tensor sizes = at::exp(rows.narrow(2, 2, 2)) * strides_;
  return take_apart(to_corners(at::cat({centres, sizes}, 2), BoxFormat::cxcywh), rest);
}

ModelOutput BoxDecoder::decode_columns(const Tensor& columns) const {
  check_shape(columns, columns.dim() == 3 && columns.size(1) >= 5, "[N,4+K,B]", record_.boxes[0]);
  const Tensor rows = columns.transpose(1, 2);
  return {OutputKind::boxes,
          activate(rows.narrow(2, 4, rows.size(2) - 4), record_.activation),
          in_pixels(rows.narrow(2, 0, 4)),
          {}};
}

ModelOutput BoxDecoder::decode_heads(const Tensors& values) const {
  const auto heads = static_cast<int64_t>(record_.boxes.size());
  const auto anchors = static_cast<int64_t>(record_.anchors.size()) / 2 / heads;
  Tensors parts, sizes;
  for (int64_t i = 0; i < heads; ++i) {
    const Tensor& head = values[i];
    check_shape(head,
                (head.dim() == 5 && head.size(1) == anchors && head.size(4) >= 5) ||
                    (head.dim() == 4 && head.size(1) % anchors == 0 && head.size(1) / anchors >= 5),
                "[N,A*(5+K),h,w] or [N,A,h,w,5+K] with A = " + std::to_string(anchors), record_.boxes[i]);
    parts.push_back(flatten_head(head, anchors));
    const auto begin = record_.anchors.begin() + 2 * anchors * i;
    const Tensor own = at::tensor(std::vector<double>(begin, begin + 2 * anchors), at::kFloat).reshape({anchors, 2});
    sizes.push_back(own.repeat({parts.back().size(1) / anchors, 1}));
  }
  const Tensor raw = at::cat(parts, 1);
  check_cells(raw);
  const Tensor xy = at::sigmoid(raw.narrow(2, 0, 2)), wh = raw.narrow(2, 2, 2);
  const bool newer = record_.layout == BoxLayout::yolov5_heads;
  const Tensor centres = ((newer ? xy * 2 - 0.5 : xy) + corners_) * strides_;
  const Tensor extents = (newer ? (at::sigmoid(wh) * 2).square() : at::exp(wh)) * at::cat(sizes);
  return take_apart(to_corners(at::cat({centres, extents}, 2), BoxFormat::cxcywh),
                    activate(raw.narrow(2, 4, raw.size(2) - 4), record_.activation));
}

Tensor BoxDecoder::from_priors(const Tensor& offsets) const {
  const Tensor priors = at::tensor(record_.priors, at::kFloat).reshape({-1, 4});
  check_shape(offsets, offsets.size(1) == priors.size(0), std::to_string(priors.size(0)) + " boxes, one a prior",
              record_.boxes[0]);
  const Tensor size = priors.narrow(1, 2, 2);
  return at::cat({priors.narrow(1, 0, 2) + offsets.narrow(2, 0, 2) * record_.variances[0] * size,
                  size * at::exp(offsets.narrow(2, 2, 2) * record_.variances[1])},
                 2);
}

Tensor BoxDecoder::from_cells(const Tensor& raw) const {
  check_cells(raw);
  const Tensor centres = (corners_ + 0.5) * strides_;
  if (record_.layout == BoxLayout::blazeface)
    return to_corners(at::cat({centres + raw.narrow(2, 0, 2), raw.narrow(2, 2, 2)}, 2), BoxFormat::cxcywh);
  const int64_t bins = raw.size(2) / 4;
  Tensor sides = raw;
  if (bins > 1)  // each side is the mean of a distribution over whole cells
    sides = (at::softmax(raw.reshape({raw.size(0), raw.size(1), 4, bins}), 3) * at::arange(bins, at::kFloat)).sum(3);
  sides = sides * strides_;
  return at::cat({centres - sides.narrow(2, 0, 2), centres + sides.narrow(2, 2, 2)}, 2);
}

ModelOutput BoxDecoder::decode_pairs(const Tensors& values) const {
  Tensor boxes = joined(values, /*scores=*/false);
  const bool ssd = record_.layout == BoxLayout::ssd;
  check_shape(boxes, ssd ? boxes.size(2) == 4 : boxes.size(2) % 4 == 0, ssd ? "[N,B,4]" : "four values a box or bin",
              record_.boxes[0]);
  if (!ssd)
    boxes = from_cells(boxes);
  else
    boxes = in_pixels(record_.priors.empty() ? boxes : from_priors(boxes));
  return {OutputKind::boxes, activate(joined(values, /*scores=*/true), record_.activation), boxes, {}};
}

ModelOutput BoxDecoder::decode(const Tensors& values) const {
  ModelOutput output;
  switch (record_.layout) {
    case BoxLayout::yolov5:
    case BoxLayout::yolox:
      output = decode_rows(values[0]);
      break;
    case BoxLayout::yolov8:
      output = decode_columns(values[0]);
      break;
    case BoxLayout::yolov3_heads:
    case BoxLayout::yolov5_heads:
      output = decode_heads(values);
      break;
    case BoxLayout::ssd:
    case BoxLayout::blazeface:
    case BoxLayout::distances:
      output = decode_pairs(values);
      break;
  }
  check_shape(output.scores,
              output.scores.size(1) == output.boxes.size(1) && output.scores.size(2) > record_.background,
              "as many rows of scores as boxes, " + std::to_string(output.boxes.size(1)),
              record_.scores.empty() ? record_.boxes[0] : record_.scores[0]);
  if (record_.background >= 0) drop_background(output);
  if (record_.classes > 0 && record_.classes < output.scores.size(2))
    output.scores = output.scores.narrow(2, 0, record_.classes);
  return output;
}

void BoxDecoder::drop_background(ModelOutput& output) const {
  const int64_t none = record_.background, behind = output.scores.size(2) - none - 1;
  output.objectness = 1 - output.scores.select(2, none);
  const Tensor classes = at::cat({output.scores.narrow(2, 0, none), output.scores.narrow(2, none + 1, behind)}, 2);
  output.scores = classes / output.objectness.unsqueeze(2).clamp_min(1e-12);  // given that it is something
}

}  // namespace vitrail
