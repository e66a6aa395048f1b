#pragma once

// From the outputs of a detector to boxes in pixels of its input, in every layout of BoxRecord. Differentiable.

#include <cstdint>

#include "model/detection/box_record.h"

namespace vitrail {

class BoxDecoder {
 public:
  /// For inputs of this size, in pixels.
  BoxDecoder(BoxRecord record, int64_t height, int64_t width);

  /// The values to fetch: boxes, then scores.
  std::vector<std::string> values() const;

  /// Throws ModelError where a value has another shape than the layout says.
  ModelOutput decode(const Tensors& values) const;

  const BoxRecord& record() const { return record_; }

 private:
  ModelOutput decode_rows(const Tensor& rows) const;        ///< [N,B,5+K]
  ModelOutput decode_columns(const Tensor& columns) const;  ///< [N,4+K,B]
  ModelOutput decode_heads(const Tensors& values) const;
  ModelOutput decode_pairs(const Tensors& values) const;
  Tensor from_priors(const Tensor& offsets) const;
  Tensor from_cells(const Tensor& raw) const;
  Tensor in_pixels(const Tensor& boxes) const;
  /// Outputs of a kind one after the other, [N,B,?].
  Tensor joined(const Tensors& values, bool scores) const;
  void check_cells(const Tensor& boxes) const;
  void drop_background(ModelOutput& output) const;

  BoxRecord record_;
  int64_t height_, width_;
  Tensor corners_;  ///< [B,2]: x, y of each box's cell, in cells
  Tensor strides_;  ///< [B,1]
};

/// Boxes [...,4] of a format as x0, y0, x1, y1.
Tensor to_corners(const Tensor& boxes, BoxFormat format);

}  // namespace vitrail
