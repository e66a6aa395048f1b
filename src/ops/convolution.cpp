// Conv and ConvTranspose over one to three spatial axes.

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <vitrail/error.h>

#include <algorithm>
#include <optional>

#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/weighted_relevance.h"
#include "ops/window.h"

namespace vitrail {
namespace {

std::optional<Tensor> bias_of(const Tensors& in) {
  return in.size() > 2 && in[2].defined() ? std::optional<Tensor>(in[2]) : std::nullopt;
}

/// What both operators need of their weight: [M, C/group, k...] or, transposed, [C, M/group, k...].
Ints kernel_of(const Tensor& x, const Tensor& weight, const std::string& op) {
  if (weight.dim() != x.dim()) {
    throw ModelError(op + " got an input of rank " + std::to_string(x.dim()) + " and a weight of rank " +
                     std::to_string(weight.dim()) + "; expected the same rank");
  }
  return weight.sizes().slice(2).vec();
}

void require_channels(const Tensor& x, int64_t expected, const std::string& op) {
  if (x.size(1) == expected) return;
  throw ModelError(op + " got an input of " + std::to_string(x.size(1)) + " channels; its weight expects " +
                   std::to_string(expected));
}

int64_t parse_group(const Attributes& attributes) {
  const int64_t group = attributes.get_int("group", 1);
  if (group < 1) throw ModelError("group is " + std::to_string(group) + "; expected a number from 1 up");
  return group;
}

std::string describe_window(int64_t group, const Window& window) {
  std::string text = group == 1 ? "" : "group=" + std::to_string(group);
  add_word(text, window.describe());
  return text;
}

/// Of Conv and ConvTranspose: linear in x, with the kernel as weights and a bias a channel.
Relevance relevance_of_kernel(const Operator& op, const RelevanceCall& call) {
  Tensor bias;
  if (const auto given = bias_of(call.in)) {
    Ints shape(static_cast<size_t>(call.in[0].dim()), 1);
    shape[1] = -1;
    bias = given->reshape(shape);
  }
  return relevance_of_weights(call, {call.in[1], bias, [&](const Tensor& x, const Tensor& weight) {
                                       return op.forward({x, weight}, call.context)[0];
                                     }});
}

class Conv : public Operator {
 public:
  explicit Conv(const OperatorSpec& spec) : window_(spec.attributes()), group_(parse_group(spec.attributes())) {}

  std::string_view name() const override { return "Conv"; }
  std::string describe() const override { return describe_window(group_, window_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &weight = in[1];
    const Ints sizes = spatial_sizes(x, "Conv");
    const size_t rank = sizes.size();
    const WindowPlacement placement = window_.place(sizes, kernel_of(x, weight, "Conv"));
    require_channels(x, weight.size(1) * group_, "Conv");

    // The kernel takes one padding an axis; what one side has more of is padded beforehand.
    Ints common(rank), begin(rank), end(rank);
    for (size_t i = 0; i < rank; ++i) {
      common[i] = placement.is_long(i, sizes[i]) ? 0 : std::min(placement.begin[i], placement.end[i]);
      begin[i] = placement.begin[i] - common[i];
      end[i] = placement.end[i] - common[i];
    }
    const bool done = common == placement.begin && common == placement.end;
    const Tensor padded = done ? x : at::constant_pad_nd(x, aten_padding(begin, end));
    const auto laid_out = [last = is_recorded(padded)](const Tensor& t) {
      return last ? t.contiguous(at::MemoryFormat::ChannelsLast) : t;
    };
    return {at::convolution(laid_out(padded), laid_out(weight), bias_of(in), window_.strides(rank), common,
                            window_.dilations(rank), /*transposed=*/false, Ints(rank, 0), group_)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_kernel(*this, call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? window_.locality(in[0].sizes().vec(), kernel_of(in[0], in[1], "Conv"))
                      : Locality::everything(out.size());
  }

 private:
  /// Whether a gradient will come back over two spatial axes on a processor, which takes about a quarter less time,
  /// forward and back, where the channels of a position lie side by side (measured). Other operators keep the order.
  static bool is_recorded(const Tensor& x) {
    return at::GradMode::is_enabled() && x.requires_grad() && x.device().is_cpu() && x.dim() == 4 &&
           x.scalar_type() == at::kFloat;
  }

  Window window_;
  int64_t group_;
};

/// The gradient of Conv as an operator of its own. Before cropping, axis i of the output has
///
///   full = stride (in - 1) + (k - 1) dilation + 1
///
/// positions; the pads crop it and output_padding extends its end with zeros (then the bias).
class ConvTranspose : public Operator {
 public:
  explicit ConvTranspose(const OperatorSpec& spec)
      : window_(spec.attributes()),
        group_(parse_group(spec.attributes())),
        output_padding_(spec.attributes().get_ints("output_padding")),
        output_shape_(spec.attributes().get_ints("output_shape")) {
    require_within(output_padding_, 0, "output_padding");
    require_within(output_shape_, 0, "output_shape");
  }

  std::string_view name() const override { return "ConvTranspose"; }

  std::string describe() const override {
    std::string text = describe_window(group_, window_);
    if (!output_padding_.empty()) add_word(text, "output_padding=" + join(output_padding_));
    if (!output_shape_.empty()) add_word(text, "output_shape=" + join(output_shape_));
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &weight = in[1];
    const Ints sizes = spatial_sizes(x, "ConvTranspose");
    const size_t rank = sizes.size();
    const Ints kernel = kernel_of(x, weight, "ConvTranspose");
    require_channels(x, weight.size(0), "ConvTranspose");
    const Ints strides = window_.strides(rank), dilations = window_.dilations(rank);
    const Crop crop = place(sizes, kernel, strides, dilations);

    // The kernel crops both sides alike and extends the end by less than a stride; what is left over
    // is done by padding its full output, bias last.
    Ints extension(rank);
    bool direct = true;
    for (size_t i = 0; i < rank; ++i) {
      extension[i] = crop.begin[i] - crop.end[i];
      direct = direct && extension[i] >= 0 && extension[i] < std::max(strides[i], dilations[i]);
    }
    if (direct) {
      return {at::convolution(x, weight, bias_of(in), strides, crop.begin, dilations, /*transposed=*/true, extension,
                              group_)};
    }
    const Tensor full = at::convolution(x, weight, std::nullopt, strides, Ints(rank, 0), dilations,
                                        /*transposed=*/true, Ints(rank, 0), group_);
    Ints begin(rank), end(rank);
    for (size_t i = 0; i < rank; ++i) {
      begin[i] = -crop.begin[i];
      end[i] = -crop.end[i];
    }
    Tensor y = at::constant_pad_nd(full, aten_padding(begin, end));
    if (const auto bias = bias_of(in)) {
      Ints shape(rank + 1, 1);
      shape[0] = -1;
      y = y.add(bias->reshape(shape));
    }
    return {y};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_kernel(*this, call); }
  /// Input i lands on stride i - crop .. stride i - crop + (k - 1) dilation of the output.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (input != 0) return locality;
    const Ints sizes = spatial_sizes(in[0], "ConvTranspose"), kernel = kernel_of(in[0], in[1], "ConvTranspose");
    const Ints strides = window_.strides(sizes.size()), dilations = window_.dilations(sizes.size());
    const Crop crop = place(sizes, kernel, strides, dilations);
    locality.axes[0] = AxisReach::same(0);
    for (size_t i = 0; i < sizes.size(); ++i)
      locality.axes[i + 2] = {static_cast<int64_t>(i) + 2, 1, strides[i],
                              crop.begin[i] - (kernel[i] - 1) * dilations[i] + strides[i] - 1, crop.begin[i]};
    return locality;
  }

 private:
  /// Positions taken off the full output, one a side and an axis; negative at the end where it grows.
  struct Crop {
    Ints begin, end;
  };

  Crop place(const Ints& input, const Ints& kernel, const Ints& strides, const Ints& dilations) const {
    require_within(input, 0, "the size of the input");
    require_within(kernel, 0, "the kernel");
    const size_t rank = input.size();
    const auto fits = [](const Ints& list, size_t expected) { return list.empty() || list.size() == expected; };
    const Ints& pads = window_.pads();
    if (strides.size() != rank || dilations.size() != rank || !fits(pads, 2 * rank) || !fits(output_padding_, rank)) {
      throw ModelError("ConvTranspose has attributes (" + describe() + ") that do not match its " +
                       std::to_string(rank) + " spatial axes");
    }
    const bool same = window_.auto_pad() == AutoPad::same_upper || window_.auto_pad() == AutoPad::same_lower;
    Crop crop{Ints(rank, 0), Ints(rank, 0)};
    for (size_t i = 0; i < rank; ++i) {
      const int64_t full = strides[i] * (input[i] - 1) + (kernel[i] - 1) * dilations[i] + 1;
      const int64_t extended = full + (output_padding_.empty() ? 0 : output_padding_[i]);
      int64_t output;
      if (same || !output_shape_.empty()) {
        output = output_shape_.empty() ? strides[i] * input[i] : wanted(i, rank);
        const int64_t total = std::max<int64_t>(0, extended - output);
        crop.begin[i] = window_.auto_pad() == AutoPad::same_upper ? total / 2 : total - total / 2;
      } else {
        const bool padded = window_.auto_pad() == AutoPad::notset && !pads.empty();
        crop.begin[i] = padded ? pads[i] : 0;
        output = extended - crop.begin[i] - (padded ? pads[i + rank] : 0);
      }
      if (output < 1) {
        throw ModelError("ConvTranspose leaves nothing of spatial axis " + std::to_string(i) + " (" +
                         std::to_string(full) + " positions before cropping); its attributes are " + describe());
      }
      crop.end[i] = full - crop.begin[i] - output;
    }
    return crop;
  }

  /// output_shape may name the spatial axes only, or all.
  int64_t wanted(size_t axis, size_t rank) const {
    if (output_shape_.size() == rank) return output_shape_[axis];
    if (output_shape_.size() == rank + 2) return output_shape_[axis + 2];
    throw ModelError("output_shape is " + join(output_shape_) + "; expected " + std::to_string(rank) + " numbers");
  }

  Window window_;
  int64_t group_;
  Ints output_padding_, output_shape_;
};

}  // namespace

void register_convolution(OperatorRegistry& registry) {
  registry.add("Conv", make_operator<Conv>, 2);
  registry.add("ConvTranspose", make_operator<ConvTranspose>, 2);
}

}  // namespace vitrail
