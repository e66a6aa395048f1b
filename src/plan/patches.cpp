#include "plan/patches.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace vitrail {
namespace {

/// A row of a rectangle, in positions of the plane.
struct Span {
  int64_t begin, end;
};

Span overlap(const Span& a, const Span& b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

/// A plane of bytes, whose first row and column are somewhere in the plane of the value.
struct Plane {
  char* data;
  int64_t top, left, rows, columns, bytes;  ///< bytes of a position

  char* at(int64_t row, int64_t column) const { return data + ((row - top) * columns + (column - left)) * bytes; }
  Span across() const { return {left, left + columns}; }
  Span down() const { return {top, top + rows}; }
};

void copy(const Plane& from, const Plane& to, int64_t row, const Span& span) {
  if (span.end > span.begin)
    std::memcpy(to.at(row, span.begin), from.at(row, span.begin),
                static_cast<size_t>((span.end - span.begin) * to.bytes));
}

void fill_span(const Plane& plane, int64_t row, const Span& span, double value) {
  if (span.end <= span.begin) return;
  char* begin = plane.at(row, span.begin);
  const auto bytes = static_cast<size_t>((span.end - span.begin) * plane.bytes);
  if (value == 0)
    std::memset(begin, 0, bytes);
  else  // only of float32
    std::fill_n(reinterpret_cast<float*>(begin), bytes / sizeof(float), static_cast<float>(value));
}

/// `to`, row by row: outside of the base the fill, inside it the patch or the base.
void compose(const Plane& base, const Plane& patch, const Plane& to, double fill) {
  const Span inside = overlap(to.across(), base.across()), patched = overlap(inside, patch.across());
  for (int64_t row = to.top; row < to.top + to.rows; ++row) {
    if (row < base.top || row >= base.top + base.rows) {
      fill_span(to, row, to.across(), fill);
      continue;
    }
    fill_span(to, row, {to.left, std::min(inside.begin, to.left + to.columns)}, fill);
    fill_span(to, row, {std::max(inside.end, to.left), to.left + to.columns}, fill);
    if (row < patch.top || row >= patch.top + patch.rows || patched.end <= patched.begin) {
      copy(base, to, row, inside);
      continue;
    }
    copy(base, to, row, {inside.begin, patched.begin});
    copy(patch, to, row, patched);
    copy(base, to, row, {patched.end, inside.end});
  }
}

Plane plane_of(const PlaneLayout& layout, const Tensor& t, int64_t sample, int64_t top, int64_t left) {
  const int64_t rows = layout.rows(t), columns = layout.columns(t);
  const auto bytes = static_cast<int64_t>(layout.channels(t) * static_cast<int64_t>(t.element_size()));
  return {static_cast<char*>(t.data_ptr()) + sample * rows * columns * bytes, top, left, rows, columns, bytes};
}

}  // namespace

Tensor PlaneLayout::dense(const Tensor& t) const {
  return t.contiguous(channels_first ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

Tensor PlaneLayout::empty(const Tensor& like, int64_t samples, int64_t rows, int64_t columns) const {
  const int64_t c = channels(like);
  return channels_first ? at::empty({samples, c, rows, columns}, like.options(), at::MemoryFormat::ChannelsLast)
                        : at::empty({samples, rows, columns, c}, like.options());
}

Patches cut(const PlaneLayout& layout, const Tensor& bases, const std::vector<int64_t>& base, const Patches& patches,
            std::vector<int64_t> top, std::vector<int64_t> left, int64_t rows, int64_t columns, double fill) {
  const Tensor& values = patches.values;
  if (values.defined() && top == patches.top && left == patches.left && rows == layout.rows(values) &&
      columns == layout.columns(values))
    return patches;
  const auto samples = static_cast<int64_t>(base.size());
  Patches result{layout.empty(bases, samples, rows, columns), std::move(top), std::move(left)};
  const Tensor dense = values.defined() ? layout.dense(values) : Tensor();
  const Plane nothing{nullptr, 0, 0, 0, 0, 0};
  at::parallel_for(0, samples, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const auto i = static_cast<size_t>(n);
      compose(plane_of(layout, bases, base[i], 0, 0),
              dense.defined() ? plane_of(layout, dense, n, patches.top[i], patches.left[i]) : nothing,
              plane_of(layout, result.values, n, result.top[i], result.left[i]), fill);
    }
  });
  return result;
}

void paste(const PlaneLayout& layout, const Tensor& bases, const std::vector<int64_t>& base, const Patches& patches) {
  const Tensor dense = layout.dense(patches.values);
  for (size_t i = 0; i < base.size(); ++i) {
    const Plane from = plane_of(layout, dense, static_cast<int64_t>(i), patches.top[i], patches.left[i]);
    const Plane to = plane_of(layout, bases, base[i], 0, 0);
    for (int64_t row = from.top; row < from.top + from.rows; ++row) copy(from, to, row, from.across());
  }
}

}  // namespace vitrail
