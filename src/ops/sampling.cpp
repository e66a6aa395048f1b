// Operators that read or add up values at computed positions of an image: GridSample, AffineGrid, RoiAlign, Col2Im.
// They are written as gathers and weights, so that they can be differentiated to any order.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "ops/arguments.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "ops/window.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// One of the positions along an axis that a sample is made of, with its weight.
struct Tap {
  Tensor position;  ///< of any float type, whole numbers
  Tensor weight;
};

/// The image read at the positions of the grid, which run from -1 to 1 over each axis.
class GridSample : public Operator {
 public:
  explicit GridSample(const OperatorSpec& spec)
      : mode_(spec.attributes().get_string("mode", "linear")),
        padding_(spec.attributes().get_string("padding_mode", "zeros")),
        align_corners_(spec.attributes().get_int("align_corners", 0) != 0) {
    if (mode_ != "linear" && mode_ != "nearest" && mode_ != "cubic")
      throw ModelError("mode is '" + mode_ + "'; expected linear, nearest or cubic.");
    if (padding_ != "zeros" && padding_ != "border" && padding_ != "reflection")
      throw ModelError("padding_mode is '" + padding_ + "'; expected zeros, border or reflection.");
  }
  std::string_view name() const override { return "GridSample"; }
  std::string describe() const override { return mode_ + " " + padding_ + (align_corners_ ? " align_corners" : ""); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &grid = in[1];
    const Ints sizes = spatial_sizes(x, "GridSample");
    const size_t rank = sizes.size();
    if (grid.dim() != x.dim() || grid.size(0) != x.size(0) || grid.size(-1) != static_cast<int64_t>(rank))
      throw ModelError("GridSample got the image " + shape_text(x) + " and the grid " + shape_text(grid) +
                       "; expected [N,C,...] and [N,...," + std::to_string(rank) + "].");
    // The last number of a grid point is the position along the last axis.
    std::vector<std::vector<Tap>> taps;
    for (size_t axis = 0; axis < rank; ++axis)
      taps.push_back(this->taps(grid.select(-1, static_cast<int64_t>(rank - 1 - axis)), sizes[axis]));

    const Tensor pixels = x.flatten(2);
    Tensor sum;
    // Every combination of one tap an axis.
    for (std::vector<size_t> at(rank, 0); at[0] < taps[0].size();) {
      const Tensor term = read(pixels, taps, at, sizes);
      sum = sum.defined() ? sum + term : term;
      for (size_t axis = rank; axis-- > 0;) {
        if (++at[axis] < taps[axis].size() || axis == 0) break;
        at[axis] = 0;
      }
    }
    Ints shape = grid.sizes().vec();
    shape.pop_back();
    shape.insert(shape.begin() + 1, x.size(1));
    return {sum.reshape(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return call.wanted[1] ? relevance_of_rest(call) : relevance_of_linear(call);
  }

 private:
  /// [N,C,points]
  static Tensor read(const Tensor& pixels, const std::vector<std::vector<Tap>>& taps, const std::vector<size_t>& at,
                     const Ints& sizes) {
    Tensor flat, weight;
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      const Tap& tap = taps[axis][at[axis]];
      const Tensor inside = tap.position.ge(0).logical_and(tap.position.lt(sizes[axis]));
      const Tensor position = at::where(inside, tap.position, 0.0).to(at::kLong);
      const Tensor here = tap.weight * inside;
      flat = flat.defined() ? flat * sizes[axis] + position : position;
      weight = weight.defined() ? weight * here : here;
    }
    const Tensor index = flat.flatten(1).unsqueeze(1).expand({pixels.size(0), pixels.size(1), -1});
    return at::gather(pixels, 2, index) * weight.flatten(1).unsqueeze(1);
  }

  std::vector<Tap> taps(const Tensor& grid, int64_t size) const {
    const double last = static_cast<double>(size - 1);
    const Tensor position = align_corners_ ? (grid + 1) / 2 * last : ((grid + 1) * static_cast<double>(size) - 1) / 2;
    if (mode_ == "nearest") {
      const Tensor nearest = padded(position, size).detach().round();
      return {{nearest, at::ones_like(nearest)}};
    }
    if (mode_ == "linear") {
      const Tensor inside = padded(position, size), low = inside.detach().floor(), along = inside - low;
      return {{low, 1 - along}, {low + 1, along}};
    }
    // The kernel of Keys with a = -0.75; each tap is padded by itself.
    const Tensor low = position.detach().floor(), t = position - low;
    std::vector<Tap> taps;
    for (int i = -1; i <= 2; ++i) {
      const Tensor distance = (t - i).abs();
      const Tensor near = ((distance * 1.25 - 2.25) * distance) * distance + 1;
      const Tensor far = ((distance * -0.75 + 3.75) * distance - 6) * distance + 3;
      taps.push_back({padded(low + i, size).round(), i == 0 || i == 1 ? near : far});
    }
    return taps;
  }

  /// Positions outside brought inside, unless what lies there is zero.
  Tensor padded(Tensor position, int64_t size) const {
    if (padding_ == "zeros") return position;
    const double last = static_cast<double>(size - 1);
    if (padding_ == "reflection") {
      // Reflected at the centres of the outer pixels, or at their outer edges.
      const double low = align_corners_ ? 0 : -0.5, span = align_corners_ ? last : static_cast<double>(size);
      position = span == 0 ? position * 0 : span - ((position - low).remainder(2 * span) - span).abs() + low;
    }
    return position.clamp(0, last);
  }

  std::string mode_, padding_;
  bool align_corners_;
};

/// The grid of an affine map, for GridSample: theta applied to every position.
class AffineGrid : public Operator {
 public:
  explicit AffineGrid(const OperatorSpec& spec)
      : size_(spec, 1), align_corners_(spec.attributes().get_int("align_corners", 0) != 0) {}
  std::string_view name() const override { return "AffineGrid"; }
  std::string describe() const override { return align_corners_ ? "align_corners" : ""; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& theta = in[0];
    const Ints size = size_.get(in).value_or(Ints());
    const int64_t rank = static_cast<int64_t>(size.size()) - 2;
    if ((rank != 2 && rank != 3) || theta.dim() != 3 || theta.size(1) != rank || theta.size(2) != rank + 1)
      throw ModelError("AffineGrid got theta " + shape_text(theta) + " and the size [" + join(size) +
                       "]; expected [N,2,3] and [N,C,H,W], or [N,3,4] and [N,C,D,H,W].");
    check_result_shape(size);
    const Ints places(size.begin() + 2, size.end());
    Tensors columns;  // the last axis first, then ones
    for (int64_t axis = rank; axis-- > 0;) {
      Ints shape(static_cast<size_t>(rank), 1);
      shape[static_cast<size_t>(axis)] = places[static_cast<size_t>(axis)];
      columns.push_back(positions(places[static_cast<size_t>(axis)], theta).reshape(shape).expand(places));
    }
    columns.push_back(at::ones(places, theta.options()));
    const Tensor points = at::stack(columns, -1).reshape({-1, rank + 1});
    Ints shape = places;
    shape.insert(shape.begin(), theta.size(0));
    shape.push_back(rank);
    return {at::matmul(points, theta.transpose(1, 2)).reshape(shape)};
  }

 private:
  /// -1 to 1: the centres of the outer pixels with align_corners, else their outer edges.
  Tensor positions(int64_t size, const Tensor& like) const {
    const double end = align_corners_ ? 1 : 1 - 1 / static_cast<double>(size);
    return at::linspace(-end, end, size, like.options());
  }

  IntsArgument size_;
  bool align_corners_;
};

/// Regions of an image at a fixed size: each cell is the mean (or the largest part) of bilinear samples in it.
/// Positions are not differentiated; the image is.
class RoiAlign : public Operator {
 public:
  explicit RoiAlign(const OperatorSpec& spec)
      : half_pixel_(spec.attributes().get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel"),
        largest_(spec.attributes().get_string("mode", "avg") == "max"),
        height_(spec.attributes().get_int("output_height", 1)),
        width_(spec.attributes().get_int("output_width", 1)),
        samples_(spec.attributes().get_int("sampling_ratio", 0)),
        scale_(spec.attributes().get_float("spatial_scale", 1)) {
    if (height_ < 1 || width_ < 1 || height_ > kMostCells || width_ > kMostCells || samples_ < 0 ||
        samples_ > kMostCells)
      throw ModelError("the output is " + std::to_string(height_) + "x" + std::to_string(width_) + " with " +
                       std::to_string(samples_) + " samples; expected numbers up to " + std::to_string(kMostCells) +
                       ".");
  }
  std::string_view name() const override { return "RoiAlign"; }
  std::string describe() const override {
    return std::string(largest_ ? "max " : "avg ") + std::to_string(height_) + "x" + std::to_string(width_);
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    if (x.dim() != 4 || in[1].dim() != 2 || in[1].size(1) != 4 || in[2].numel() != in[1].size(0))
      throw ModelError("RoiAlign got the image " + shape_text(x) + ", regions " + shape_text(in[1]) + " and samples " +
                       shape_text(in[2]) + "; expected [N,C,H,W], [R,4] and [R].");
    const Floats corners = to_floats(in[1].flatten());
    const Ints samples = to_ints(in[2]);
    const double offset = half_pixel_ ? 0.5 : 0;
    Tensors regions;
    for (size_t r = 0; r < samples.size(); ++r) {
      if (samples[r] < 0 || samples[r] >= x.size(0))
        throw ModelError("RoiAlign names sample " + std::to_string(samples[r]) + " of " + std::to_string(x.size(0)) +
                         ".");
      double begin[2], extent[2];  // rows, columns
      for (size_t axis = 0; axis < 2; ++axis) {
        begin[axis] = corners[4 * r + 1 - axis] * scale_ - offset;
        extent[axis] = corners[4 * r + 3 - axis] * scale_ - offset - begin[axis];
        if (!half_pixel_) extent[axis] = std::max(extent[axis], 1.0);  // no region is smaller than a pixel
      }
      const Samples rows = sample(begin[0], extent[0], height_, x.size(2), x);
      const Samples columns = sample(begin[1], extent[1], width_, x.size(3), x);
      regions.push_back(pool(x[samples[r]], rows, columns));
    }
    if (regions.empty()) return {at::zeros({0, x.size(1), height_, width_}, x.options())};
    return {at::stack(regions, 0)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return largest_ ? relevance_of_rest(call) : relevance_of_linear(call);
  }

 private:
  static constexpr int64_t kMostCells = 4096, kMostSamples = 1 << 18;

  /// The lines of the image that the samples along one axis are made of, two a sample, with their weights.
  struct Samples {
    int64_t per_cell;
    Tensor lines, weights;
  };

  Samples sample(double begin, double extent, int64_t cells, int64_t size, const Tensor& like) const {
    const double cell = extent / static_cast<double>(cells);
    const double enough = cell > 0 ? std::min(std::ceil(cell), double{kMostCells}) : 0;  // 0 for NaN too
    const int64_t count = samples_ > 0 ? samples_ : static_cast<int64_t>(enough);
    if (cells * count > kMostSamples)
      throw ModelError("RoiAlign would take " + std::to_string(cells * count) +
                       " samples along an axis; expected at most " + std::to_string(kMostSamples) + ".");
    Ints lines;
    Floats weights;
    for (int64_t i = 0; i < cells * count; ++i) {
      const double place = begin + cell * (static_cast<double>(i) + 0.5) / static_cast<double>(count);
      const bool outside = !(place >= -1 && place <= static_cast<double>(size));
      const double inside = outside ? 0 : std::clamp(place, 0.0, static_cast<double>(size - 1));
      const int64_t low = static_cast<int64_t>(inside), high = std::min(low + 1, size - 1);
      const double along = inside - static_cast<double>(low);
      lines.insert(lines.end(), {low, high});
      weights.insert(weights.end(), {outside ? 0 : 1 - along, outside ? 0 : along});
    }
    return {count, beside(at::tensor(lines, at::kLong), like), at::tensor(weights, at::kDouble).to(like.options())};
  }

  /// [C,H,W] to [C,height,width].
  Tensor pool(const Tensor& image, const Samples& rows, const Samples& columns) const {
    if (rows.per_cell == 0 || columns.per_cell == 0)
      return at::zeros({image.size(0), height_, width_}, image.options());
    const Tensor parts =
        image.index_select(1, rows.lines).index_select(2, columns.lines) * rows.weights.unsqueeze(1) * columns.weights;
    const Tensor cells = parts.reshape({image.size(0), height_, 2 * rows.per_cell, width_, 2 * columns.per_cell});
    if (largest_) return cells.amax({2, 4});
    return cells.sum({2, 4}) / static_cast<double>(rows.per_cell * columns.per_cell);
  }

  bool half_pixel_, largest_;
  int64_t height_, width_, samples_;
  double scale_;
};

/// Adds up the columns of sliding blocks where they lay in the image: the reverse of taking an image apart.
class Col2Im : public Operator {
 public:
  explicit Col2Im(const OperatorSpec& spec) : image_(spec, 1), block_(spec, 2), window_(spec.attributes()) {}
  std::string_view name() const override { return "Col2Im"; }
  std::string describe() const override { return window_.describe(); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints image = image_.get(in).value_or(Ints()), block = block_.get(in).value_or(Ints());
    check_result_shape(image);
    check_result_shape(block);
    const size_t rank = image.size();
    const WindowPlacement placement = window_.place(image, block);
    check_result_shape(placement.output);
    const Ints strides = window_.strides(rank), dilations = window_.dilations(rank);
    int64_t taps = 1, places = 1, pixels = 1;
    for (size_t axis = 0; axis < rank; ++axis) {
      taps *= block[axis];
      places *= placement.output[axis];
      pixels *= image[axis];
    }
    const Tensor& x = in[0];
    if (x.dim() != 3 || taps == 0 || x.size(1) % taps != 0 || x.size(2) != places)
      throw ModelError("Col2Im got " + shape_text(x) + "; expected [N,C*" + std::to_string(taps) + "," +
                       std::to_string(places) + "] for blocks " + join(block) + " of an image " + join(image) + ".");

    // For every tap (rows) and place (columns) the pixel that it lands on; what lands outside goes to one more.
    Tensor pixel = at::zeros({1, 1}, at::kLong), outside = at::zeros({1, 1}, at::kBool);
    for (size_t axis = 0; axis < rank; ++axis) {
      const Tensor tap = at::arange(block[axis], at::kLong) * dilations[axis] - placement.begin[axis];
      const Tensor place = at::arange(placement.output[axis], at::kLong) * strides[axis];
      const Tensor position = tap.unsqueeze(1) + place;
      const Ints shape = {pixel.size(0) * position.size(0), pixel.size(1) * position.size(1)};
      const Tensor before = pixel.unsqueeze(1).unsqueeze(3), here = position.unsqueeze(0).unsqueeze(2);
      const Tensor is_outside = here.lt(0).logical_or(here.ge(image[axis]));
      outside = outside.unsqueeze(1).unsqueeze(3).logical_or(is_outside).reshape(shape);
      pixel = (before * image[axis] + here).reshape(shape);
    }
    const Tensor index = beside(at::where(outside, pixels, pixel).flatten(), x);
    const int64_t channels = x.size(1) / taps;
    Ints shape = {x.size(0), channels};
    shape.insert(shape.end(), image.begin(), image.end());
    const Tensor columns = x.reshape({x.size(0), channels, taps * places});
    return {at::zeros({x.size(0), channels, pixels + 1}, x.options())
                .index_add(2, index, columns)
                .narrow(2, 0, pixels)
                .reshape(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }

 private:
  IntsArgument image_, block_;
  Window window_;
};

}  // namespace

void register_sampling(OperatorRegistry& registry) {
  registry.add("GridSample", make_operator<GridSample>, 2);
  registry.add("AffineGrid", make_operator<AffineGrid>, 2);
  registry.add("RoiAlign", make_operator<RoiAlign>, 3);
  registry.add("Col2Im", make_operator<Col2Im>, 3);
}

}  // namespace vitrail
