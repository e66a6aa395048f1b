// MaxPool, AveragePool, LpPool and their global forms over one to three spatial axes.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/avg_pool3d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/max_pool1d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool3d_with_indices.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/error.h>

#include <limits>
#include <tuple>

#include "ops/arguments.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "ops/window.h"

namespace vitrail {
namespace {

Ints parse_kernel(const Attributes& attributes) {
  const Ints kernel = attributes.require_ints("kernel_shape");
  require_within(kernel, 1, "kernel_shape");
  return kernel;
}

std::string describe_pool(const Ints& kernel, const Window& window) {
  std::string text = "kernel=" + join(kernel);
  add_word(text, window.describe());
  return text;
}

/// ATen's pooling takes one padding an axis, of half the kernel at most.
bool fits_aten(const WindowPlacement& placement, const Ints& kernel) {
  if (!placement.symmetric()) return false;
  for (size_t i = 0; i < kernel.size(); ++i) {
    if (placement.begin[i] > kernel[i] / 2) return false;
  }
  return true;
}

bool has_overhang(const WindowPlacement& placement) {
  for (int64_t o : placement.overhang) {
    if (o > 0) return true;
  }
  return false;
}

std::tuple<Tensor, Tensor> max_pool(const Tensor& x, const Ints& kernel, const Ints& strides, const Ints& padding,
                                    const Ints& dilations, bool ceil_mode) {
  switch (kernel.size()) {
    case 1:
      return at::max_pool1d_with_indices(x, kernel, strides, padding, dilations, ceil_mode);
    case 2:
      return at::max_pool2d_with_indices(x, kernel, strides, padding, dilations, ceil_mode);
    default:
      return at::max_pool3d_with_indices(x, kernel, strides, padding, dilations, ceil_mode);
  }
}

class MaxPool : public Operator {
 public:
  explicit MaxPool(const OperatorSpec& spec)
      : kernel_(parse_kernel(spec.attributes())),
        window_(spec.attributes()),
        column_major_(spec.attributes().get_int("storage_order", 0) != 0),
        wants_indices_(spec.outputs() > 1 && !spec.node.outputs[1].empty()) {}

  std::string_view name() const override { return "MaxPool"; }
  std::string describe() const override { return describe_pool(kernel_, window_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const at::ScalarType type = in[0].scalar_type();
    // float32 holds every 8-bit integer exactly.
    const Tensor x = c10::isIntegralType(type, /*includeBool=*/false) ? in[0].to(at::kFloat) : in[0];
    const Ints sizes = spatial_sizes(x, "MaxPool");
    const size_t rank = sizes.size();
    const WindowPlacement placement = window_.place(sizes, kernel_);
    const Ints strides = window_.strides(rank), dilations = window_.dilations(rank);

    if (fits_aten(placement, kernel_)) {
      auto [y, position] = max_pool(x, kernel_, strides, placement.begin, dilations, has_overhang(placement));
      return outputs(y.to(type), position, sizes, Ints(rank, 0), sizes);
    }
    const Ints end = placement.end + placement.overhang;
    const Tensor padded =
        at::constant_pad_nd(x, aten_padding(placement.begin, end), -std::numeric_limits<double>::infinity());
    auto [y, position] = max_pool(padded, kernel_, strides, Ints(rank, 0), dilations, false);
    return outputs(y.to(type), position, padded.sizes().slice(2).vec(), placement.begin, sizes);
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_winner(call, /*largest=*/true); }
  /// Channels stay apart.
  Locality locality(size_t, size_t, const Tensors& in, const Ints&) const override {
    Locality locality = window_.locality(in[0].sizes().vec(), kernel_);
    locality.axes[1] = AxisReach::same(1);
    return locality;
  }

 private:
  Tensors outputs(const Tensor& y, const Tensor& position, const Ints& plane, const Ints& begin,
                  const Ints& sizes) const {
    if (!wants_indices_) return {y};
    return {y, flat_indices(position, plane, begin, sizes)};
  }

  /// ONNX counts through the whole tensor, ATen within one (padded) plane: takes the position apart
  /// into coordinates, moves them by the padding, and puts them together again in the wanted order.
  Tensor flat_indices(Tensor position, const Ints& plane, const Ints& begin, const Ints& sizes) const {
    const size_t rank = sizes.size();
    Ints step(rank, 1);
    if (column_major_) {
      for (size_t i = 1; i < rank; ++i) step[i] = step[i - 1] * sizes[i - 1];
    } else {
      for (size_t i = rank - 1; i-- > 0;) step[i] = step[i + 1] * sizes[i + 1];
    }
    int64_t volume = 1;
    Tensor flat = at::zeros_like(position);
    for (size_t i = rank; i-- > 0;) {
      volume *= sizes[i];
      flat = flat + (position.remainder(plane[i]) - begin[i]) * step[i];
      position = position.floor_divide(plane[i]);
    }
    const int64_t n = flat.size(0), c = flat.size(1);
    Ints offsets(n * c);
    for (int64_t i = 0; i < n * c; ++i) offsets[i] = i * volume;
    Ints shape(rank + 2, 1);
    shape[0] = n;
    shape[1] = c;
    return flat + beside(at::tensor(offsets), flat).reshape(shape);
  }

  Ints kernel_;
  Window window_;
  bool column_major_;
  bool wants_indices_;
};

/// The mean of each window. The divisor counts the taps inside the input or, with count_include_pad,
/// inside the padded input; taps that ceil_mode lets hang over the end never count.
class AveragePool : public Operator {
 public:
  explicit AveragePool(const OperatorSpec& spec)
      : kernel_(parse_kernel(spec.attributes())),
        window_(spec.attributes()),
        include_pad_(spec.attributes().get_int("count_include_pad", 0) != 0) {}

  std::string_view name() const override { return "AveragePool"; }

  std::string describe() const override {
    return describe_pool(kernel_, window_) + (include_pad_ ? " count_include_pad" : "");
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Ints sizes = spatial_sizes(x, "AveragePool");
    const size_t rank = sizes.size();
    const WindowPlacement placement = window_.place(sizes, kernel_);
    const Ints strides = window_.strides(rank);
    if (window_.dilations(rank) == Ints(rank, 1) && fits_aten(placement, kernel_)) {
      const bool ceil_mode = has_overhang(placement);
      switch (rank) {
        case 1:
          return {at::avg_pool1d(x, kernel_, strides, placement.begin, ceil_mode, include_pad_)};
        case 2:
          return {at::avg_pool2d(x, kernel_, strides, placement.begin, ceil_mode, include_pad_)};
        default:
          return {at::avg_pool3d(x, kernel_, strides, placement.begin, ceil_mode, include_pad_)};
      }
    }
    // The sum and the count of a box are products over its axes, so the mean is taken axis by axis.
    Tensor y = x;
    for (size_t axis = 0; axis < rank; ++axis) y = pool_axis(y, axis, sizes[axis], placement);
    return {y};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }
  /// Channels stay apart.
  Locality locality(size_t, size_t, const Tensors& in, const Ints&) const override {
    Locality locality = window_.locality(in[0].sizes().vec(), kernel_);
    locality.axes[1] = AxisReach::same(1);
    return locality;
  }

 private:
  Tensor pool_axis(const Tensor& x, size_t axis, int64_t size, const WindowPlacement& placement) const {
    const int64_t outputs = placement.output[axis], taps = kernel_[axis];
    const int64_t stride = window_.strides(kernel_.size())[axis], dilation = window_.dilations(kernel_.size())[axis];
    const int64_t begin = placement.begin[axis], end = placement.end[axis];
    const int64_t first = include_pad_ ? -begin : 0, last = size + (include_pad_ ? end : 0);
    // Tables as tensors: of a hostile kernel they are refused like any tensor that is too large.
    check_result_shape({outputs, taps});
    const Tensor positions = at::zeros({outputs, taps}, at::kLong);
    const Tensor weights = at::zeros({outputs, taps}, at::kDouble);
    int64_t* position = positions.data_ptr<int64_t>();
    double* weight = weights.data_ptr<double>();
    for (int64_t o = 0; o < outputs; ++o) {
      int64_t count = 0;
      for (int64_t k = 0; k < taps; ++k) {
        const int64_t p = o * stride - begin + k * dilation;
        count += p >= first && p < last;
      }
      for (int64_t k = 0; k < taps; ++k) {
        const int64_t p = o * stride - begin + k * dilation;
        const bool inside = p >= 0 && p < size;
        *position++ = inside ? p : 0;
        *weight++ = inside ? 1.0 / static_cast<double>(count) : 0.0;
      }
    }
    const int64_t dim = static_cast<int64_t>(axis) + 2;
    Ints shape(kernel_.size() - axis, 1);
    shape[0] = outputs;
    shape.insert(shape.begin() + 1, taps);
    const Tensor taken = x.index_select(dim, beside(positions.flatten(), x)).unflatten(dim, Ints{outputs, taps});
    return (taken * weights.to(x.options()).reshape(shape)).sum(dim + 1);
  }

  Ints kernel_;
  Window window_;
  bool include_pad_;
};

Ints spatial_axes(const Tensor& x, const std::string& op) {
  if (x.dim() < 3) {
    throw ModelError(op + " got an input of rank " + std::to_string(x.dim()) + "; expected [N,C] and spatial axes");
  }
  Ints axes;
  for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return axes;
}

class GlobalAveragePool : public Operator {
 public:
  explicit GlobalAveragePool(const OperatorSpec&) {}
  std::string_view name() const override { return "GlobalAveragePool"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {in[0].mean(spatial_axes(in[0], "GlobalAveragePool"), /*keepdim=*/true)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }
  Locality locality(size_t, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::along_others(spatial_axes(in[0], "GlobalAveragePool"), out.size());
  }
};

double parse_norm(const Attributes& attributes) {
  const int64_t p = attributes.get_int("p", 2);
  if (p < 1) throw ModelError("p is " + std::to_string(p) + "; expected a number from 1 up");
  return static_cast<double>(p);
}

/// The p-norm of each window: |x|^p summed by a convolution with ones.
class LpPool : public Operator {
 public:
  explicit LpPool(const OperatorSpec& spec)
      : kernel_(parse_kernel(spec.attributes())), window_(spec.attributes()), p_(parse_norm(spec.attributes())) {}
  std::string_view name() const override { return "LpPool"; }
  std::string describe() const override { return describe_pool(kernel_, window_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Ints sizes = spatial_sizes(x, "LpPool");
    const size_t rank = sizes.size();
    const WindowPlacement placement = window_.place(sizes, kernel_);
    const Tensor powers =
        at::constant_pad_nd(x.abs().pow(p_), aten_padding(placement.begin, placement.end + placement.overhang));
    Ints ones = kernel_;
    ones.insert(ones.begin(), {1, 1});
    const Tensor sum = at::convolution(powers.flatten(0, 1).unsqueeze(1), at::ones(ones, x.options()), {},
                                       window_.strides(rank), Ints(rank, 0), window_.dilations(rank),
                                       /*transposed=*/false, Ints(rank, 0), /*groups=*/1);
    return {sum.squeeze(1).unflatten(0, Ints{x.size(0), x.size(1)}).pow(1 / p_)};
  }
  /// Channels stay apart.
  Locality locality(size_t, size_t, const Tensors& in, const Ints&) const override {
    Locality locality = window_.locality(in[0].sizes().vec(), kernel_);
    locality.axes[1] = AxisReach::same(1);
    return locality;
  }

 private:
  Ints kernel_;
  Window window_;
  double p_;
};

class GlobalLpPool : public Operator {
 public:
  explicit GlobalLpPool(const OperatorSpec& spec) : p_(parse_norm(spec.attributes())) {}
  std::string_view name() const override { return "GlobalLpPool"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {at::linalg_vector_norm(in[0], p_, spatial_axes(in[0], "GlobalLpPool"), /*keepdim=*/true)};
  }
  Locality locality(size_t, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::along_others(spatial_axes(in[0], "GlobalLpPool"), out.size());
  }

 private:
  double p_;
};

class GlobalMaxPool : public Operator {
 public:
  explicit GlobalMaxPool(const OperatorSpec&) {}
  std::string_view name() const override { return "GlobalMaxPool"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {in[0].amax(spatial_axes(in[0], "GlobalMaxPool"), /*keepdim=*/true)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_winner(call, /*largest=*/true); }
  Locality locality(size_t, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::along_others(spatial_axes(in[0], "GlobalMaxPool"), out.size());
  }
};

}  // namespace

void register_pooling(OperatorRegistry& registry) {
  registry.add("MaxPool", make_operator<MaxPool>);
  registry.add("AveragePool", make_operator<AveragePool>);
  registry.add("GlobalAveragePool", make_operator<GlobalAveragePool>);
  registry.add("LpPool", make_operator<LpPool>);
  registry.add("GlobalLpPool", make_operator<GlobalLpPool>);
  registry.add("GlobalMaxPool", make_operator<GlobalMaxPool>);
}

}  // namespace vitrail
