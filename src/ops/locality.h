#pragma once

// Where the outputs of an operator look at its inputs, axis by axis: what a change of a region can touch, and what
// has to be known of the inputs to compute a region of the output.
//
// Along one axis, position o of the output reads the input positions
//
//   floor((o step + first) / divisor)  ..  floor((o step + last) / divisor)
//
// of one axis: itself (step = divisor = 1, first = last = 0), a window (stride, -padding, -padding + extent - 1), a
// shift (Concat, Slice), an enlargement (divisor). Positions outside the input are padding, or repeat its edge. An
// axis of the output that follows no axis of the input may depend on all of it, as may any output position on every
// position of an input axis that no output axis follows (a mean, channels of a product).

#include <cstdint>
#include <vector>

#include "ops/attributes.h"

namespace vitrail {

/// Positions begin .. end - 1.
struct Interval {
  int64_t begin = 0, end = 0;
  bool operator==(const Interval&) const = default;
  int64_t size() const { return end - begin; }
};
/// One interval an axis.
using Box = std::vector<Interval>;

struct AxisReach {
  static constexpr int64_t kNone = -1;

  int64_t axis = kNone;  ///< of the input; kNone: the position along this axis of the output says nothing
  int64_t step = 1, divisor = 1, first = 0, last = 0;

  static AxisReach same(int64_t axis) { return {axis}; }
  static AxisReach shifted(int64_t axis, int64_t by) { return {axis, 1, 1, by, by}; }
  /// The same position of the input and no other.
  bool is_same() const { return axis != kNone && step == 1 && divisor == 1 && first == 0 && last == 0; }

  /// The output positions, of `size`, that read any of these.
  Interval touched(const Interval& changed, int64_t size) const;
  /// The input positions that these output positions read, some perhaps outside the input.
  Interval read(const Interval& output) const;
};

struct Locality {
  std::vector<AxisReach> axes;  ///< one an axis of the output
  /// Applied to what a box of the output reads, the operator gives that box: it neither pads nor asks for sizes.
  bool by_parts = false;

  /// Every position of the output may depend on every position of the input.
  static Locality everything(size_t rank) { return {std::vector<AxisReach>(rank), false}; }
  /// Axes aligned at the last one; an axis of size 1 is read by all positions of a longer one.
  static Locality elementwise(const Ints& input, const Ints& output);
  /// Every axis by itself, but that along `axes` an output depends on the whole input.
  static Locality along_others(const Ints& axes, size_t rank);

  /// The part of an output of these sizes that a change of `changed` can touch; an empty box where it touches nothing.
  Box touched(const Box& changed, const Ints& output) const;
};

}  // namespace vitrail
