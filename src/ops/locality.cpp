#include "ops/locality.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "ops/operator.h"

namespace vitrail {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

}  // namespace

Interval AxisReach::touched(const Interval& changed, int64_t size) const {
  if (axis == kNone) return {0, size};
  // The first whose last read is not before the change, up to the last whose first read is not behind it.
  const int64_t begin = ceil_div(changed.begin * divisor - last, step),
                end = ceil_div(changed.end * divisor - first, step);
  const Interval inside{std::clamp<int64_t>(begin, 0, size), std::clamp<int64_t>(end, 0, size)};
  return inside.size() > 0 ? inside : Interval{};
}

Interval AxisReach::read(const Interval& output) const {
  return {floor_div(output.begin * step + first, divisor), floor_div((output.end - 1) * step + last, divisor) + 1};
}

Locality Locality::elementwise(const Ints& input, const Ints& output) {
  Locality locality = everything(output.size());
  locality.by_parts = true;
  const size_t shift = output.size() - std::min(input.size(), output.size());
  for (size_t axis = shift; axis < output.size(); ++axis)
    if (input[axis - shift] == output[axis]) locality.axes[axis] = AxisReach::same(static_cast<int64_t>(axis - shift));
  return locality;
}

Locality Locality::along_others(const Ints& axes, size_t rank) {
  Locality locality = everything(rank);
  locality.by_parts = true;
  for (size_t axis = 0; axis < rank; ++axis)
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) == axes.end())
      locality.axes[axis] = AxisReach::same(static_cast<int64_t>(axis));
  return locality;
}

Box Locality::touched(const Box& changed, const Ints& output) const {
  Box box;
  for (size_t d = 0; d < output.size(); ++d) {
    const bool follows = axes[d].axis != AxisReach::kNone;
    box.push_back(axes[d].touched(follows ? changed[static_cast<size_t>(axes[d].axis)] : Interval{}, output[d]));
  }
  return box;
}

Locality Operator::locality(size_t, size_t, const Tensors&, const Ints& out) const {
  return Locality::everything(out.size());
}

}  // namespace vitrail
