#include "image/colormap.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/nan_to_num.h>

#include "image/colormap_tables.h"

namespace vitrail {

Tensor colours(const Tensor& values, ColourScale scale) {
  const auto& rows = scale == ColourScale::sequential ? kSequentialColours : kDivergingColours;
  const Tensor table = at::from_blob(const_cast<uint8_t*>(&rows[0][0]), {256, 3}, at::kByte).to(at::kFloat);
  const Tensor index = at::nan_to_num(values).clamp(0, 1).mul(255).round().to(at::kLong);
  std::vector<int64_t> shape = values.sizes().vec();
  shape.push_back(3);
  return table.index_select(0, index.flatten()).reshape(shape);
}

}  // namespace vitrail
