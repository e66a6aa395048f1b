#pragma once

// The geometry of a window that slides over the spatial axes: Conv, MaxPool, AveragePool.
//
// Along an axis of size `in`, a kernel of k taps with dilation d spans e = (k-1)d + 1 positions.
// With begin and end padding,
//
//   out = floor((in + begin + end - e) / stride) + 1          (ceil with ceil_mode)
//
// ceil_mode drops a last window that would start in the end padding; the one that it keeps may reach
// past it: by `overhang` positions, which count as padding for a maximum and as nothing for a mean.
// auto_pad replaces the explicit pads: SAME_* gives out = ceil(in / stride) with the odd cell of the
// padding at the end (UPPER) or the beginning (LOWER); VALID has none, and ceil_mode does not apply.

#include <algorithm>
#include <string>

#include "ops/attributes.h"
#include "ops/locality.h"

namespace vitrail {

enum class AutoPad { notset, same_upper, same_lower, valid };

/// One number an axis in every list.
struct WindowPlacement {
  Ints output;
  Ints begin, end;  ///< padding
  Ints overhang;    ///< positions beyond the end padding that the last window covers

  /// The paddings agree on both sides, so that a kernel which knows one number an axis can be used.
  bool symmetric() const { return begin == end; }

  /// The padding of this axis is as long as the input but for one position. oneDNN (of torch 2.13) may write behind
  /// the gradient of the weight then; such an input is padded beforehand.
  bool is_long(size_t axis, int64_t input) const {
    const int64_t longest = std::max(begin[axis], end[axis]);
    return longest > 0 && longest >= input - 1;
  }
};

class Window {
 public:
  /// Reads strides, dilations, pads, auto_pad and ceil_mode. Throws ModelError for values out of range.
  explicit Window(const Attributes& attributes);

  /// Throws ModelError where an attribute has another rank than the kernel, or nothing is left to compute.
  WindowPlacement place(const Ints& input, const Ints& kernel) const;

  /// One an axis of the kernel; 1 where the node says nothing.
  Ints strides(size_t rank) const { return strides_.empty() ? Ints(rank, 1) : strides_; }
  Ints dilations(size_t rank) const { return dilations_.empty() ? Ints(rank, 1) : dilations_; }
  const Ints& pads() const { return pads_; }
  AutoPad auto_pad() const { return auto_pad_; }
  bool ceil_mode() const { return ceil_mode_; }

  /// "strides=2,2 pads=0,0,1,1": what differs from the defaults.
  std::string describe() const;

  /// Of an input [N,C,...] of these sizes: every sample by itself, any channel, the spatial axes through the window.
  Locality locality(const Ints& input, const Ints& kernel) const;

 private:
  void place_axis(WindowPlacement& placement, size_t axis, int64_t input, int64_t kernel) const;

  Ints strides_, dilations_, pads_;
  AutoPad auto_pad_;
  bool ceil_mode_;
};

/// For attributes that count positions. Throws ModelError for numbers out of range.
void require_within(const Ints& values, int64_t least, const std::string& name);

/// The sizes behind batch and channels. Throws ModelError where there is none or more than three.
Ints spatial_sizes(const Tensor& x, const std::string& op);

/// ATen lists paddings from the last axis to the first: {begin, end} pairs for the spatial axes.
Ints aten_padding(const Ints& begin, const Ints& end);

Ints operator+(const Ints& a, const Ints& b);

}  // namespace vitrail
