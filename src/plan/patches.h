#pragma once

// Rectangles of planes: cutting them out of a base with a patch on it.

#include <vitrail/tensor.h>

#include <cstdint>
#include <vector>

namespace vitrail {

/// Rectangles of one size, one a sample, of a value [*,C,height,width] with its channels last in memory.
struct Patches {
  Tensor values;  ///< [n,C,rows,columns], or [n,rows,columns,C] where channels come last; undefined: no patch
  std::vector<int64_t> top, left;  ///< one a sample
};

/// The axis of rows: 2 where channels come first, else 1.
struct PlaneLayout {
  bool channels_first = true;
  int64_t rows(const Tensor& t) const { return t.size(channels_first ? 2 : 1); }
  int64_t columns(const Tensor& t) const { return t.size(channels_first ? 3 : 2); }
  int64_t channels(const Tensor& t) const { return t.size(channels_first ? 1 : 3); }
  /// With the channels last in memory.
  Tensor dense(const Tensor& t) const;
  Tensor empty(const Tensor& like, int64_t samples, int64_t rows, int64_t columns) const;
};

/// Of each sample the rectangle of rows x columns at `top`, `left`: of base `base[i]` with the patch on it, and `fill`
/// where it lies outside of the plane. Where that is the patch itself, the patch.
Patches cut(const PlaneLayout& layout, const Tensor& bases, const std::vector<int64_t>& base, const Patches& patches,
            std::vector<int64_t> top, std::vector<int64_t> left, int64_t rows, int64_t columns, double fill);

/// Writes the patches over their bases.
void paste(const PlaneLayout& layout, const Tensor& bases, const std::vector<int64_t>& base, const Patches& patches);

}  // namespace vitrail
