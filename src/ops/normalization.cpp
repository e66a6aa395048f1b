// BatchNormalization, LayerNormalization, InstanceNormalization and GroupNormalization:
//
//   y = (x - mean) / sqrt(var + epsilon) * scale + bias
//
// that differ in the axes over which mean and (population) variance are taken. ATen's kernels keep
// their statistics in float32 for half-precision data and in the data's own type otherwise, which is
// what stash_type asks for (and more, for float64). Then the relatives: RMSNormalization, LRN,
// LpNormalization, MeanVarianceNormalization.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cstdio>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

std::string describe_epsilon(double epsilon) {
  char text[32];
  std::snprintf(text, sizeof text, "epsilon=%.3g", epsilon);
  return text;
}

void require_length(const Tensor& parameter, int64_t channels, const std::string& what) {
  if (parameter.dim() == 1 && parameter.size(0) == channels) return;
  throw ModelError(what + " has " + std::to_string(parameter.numel()) + " values; expected one for each of the " +
                   std::to_string(channels) + " channels");
}

/// [C] placed to broadcast against [N,C,...].
Tensor per_channel(const Tensor& v, const Tensor& x) {
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape.at(1) = -1;
  return v.reshape(shape);
}

/// From `axis` to the last.
Ints axes_from(int64_t axis, int64_t rank) {
  Ints axes;
  for (axis = normalize_axis(axis, rank); axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

/// With the stored statistics; with those of the batch where training_mode is set, which then also
/// gives the stored ones moved towards them by 1 - momentum. Stored statistics get no gradient.
class BatchNormalization : public Operator {
 public:
  explicit BatchNormalization(const OperatorSpec& spec)
      : epsilon_(spec.attributes().get_float("epsilon", 1e-5)),
        momentum_(spec.attributes().get_float("momentum", 0.9)),
        training_(spec.attributes().get_int("training_mode", 0) != 0) {}

  std::string_view name() const override { return "BatchNormalization"; }
  std::string describe() const override { return describe_epsilon(epsilon_) + (training_ ? " training_mode" : ""); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    if (x.dim() < 2)
      throw ModelError("BatchNormalization got an input of rank " + std::to_string(x.dim()) + "; expected [N,C,...]");
    for (size_t i = 1; i < 5; ++i)
      require_length(in[i], x.size(1), "input " + std::to_string(i) + " of BatchNormalization");
    const auto like_x = [&](size_t i) { return in[i].to(x.scalar_type()); };
    if (!training_) {
      return {at::batch_norm(x, like_x(1), like_x(2), like_x(3), like_x(4), /*training=*/false, /*momentum=*/0,
                             epsilon_, /*cudnn_enabled=*/false)};
    }
    Ints axes{0};
    for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
    const Tensor mean = x.mean(axes), var = x.var(axes, /*unbiased=*/false);
    const Tensor y =
        (x - per_channel(mean, x)) * per_channel((var + epsilon_).rsqrt() * like_x(1), x) + per_channel(like_x(2), x);
    const auto moved = [&](const Tensor& stored, const Tensor& batch) {
      return stored * momentum_ + batch.to(stored.scalar_type()) * (1 - momentum_);
    };
    return {y, moved(in[3], mean), moved(in[4], var)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    const bool only_x = std::find(call.wanted.begin() + 1, call.wanted.end(), true) == call.wanted.end();
    if (training_ || !only_x) return relevance_of_rest(call);
    if (!call.deeplift() && !call.rule.biases) return relevance_of_activation(call);
    return relevance_of_linear(call, /*all_operands=*/true);
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return training_ || input != 0 ? Locality::everything(out.size()) : Locality::elementwise(in[0].sizes().vec(), out);
  }

 private:
  double epsilon_, momentum_;
  bool training_;
};

/// Over the axes from `axis` to the last. Optional outputs: the mean and 1 / sqrt(var + epsilon).
class LayerNormalization : public Operator {
 public:
  explicit LayerNormalization(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", -1)),
        epsilon_(spec.attributes().get_float("epsilon", 1e-5)),
        outputs_(spec.outputs()) {}

  std::string_view name() const override { return "LayerNormalization"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_) + " " + describe_epsilon(epsilon_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &scale = in[1];
    const Tensor bias = in.size() > 2 ? in[2] : Tensor();
    const auto shape = x.sizes().slice(normalize_axis(axis_, x.dim()));
    Tensors out;
    if (scale.sizes() == shape && (!bias.defined() || bias.sizes() == shape)) {
      out.push_back(at::layer_norm(x, shape, scale, bias, epsilon_));
    } else {  // any scale that broadcasts to x
      const Tensor y = at::layer_norm(x, shape, {}, {}, epsilon_) * scale;
      out.push_back(bias.defined() ? y + bias : y);
    }
    if (outputs_ > 1) {
      const Ints axes = axes_from(axis_, x.dim());
      const Tensor stashed = x.element_size() < 4 ? x.to(at::kFloat) : x;
      out.push_back(stashed.mean(axes, /*keepdim=*/true));
      out.push_back((stashed.var(axes, /*unbiased=*/false, /*keepdim=*/true) + epsilon_).rsqrt());
      out.resize(outputs_);
    }
    return out;
  }
  Relevance relevance(const RelevanceCall& call) const override {
    Ints axes;
    for (int64_t axis = normalize_axis(axis_, call.in[0].dim()); axis < call.in[0].dim(); ++axis) axes.push_back(axis);
    return relevance_of_normalisation(
        call, [&](const Tensor& x) { return x - x.mean(axes, /*keepdim=*/true); },
        call.in.size() > 2 ? call.in[2] : Tensor());
  }
  /// Every position in front of the axis by itself.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? Locality::along_others(axes_from(axis_, in[0].dim()), out.size())
                      : Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  int64_t axis_;
  double epsilon_;
  size_t outputs_;
};

/// Over each group of channels and all positions; one group a channel is InstanceNormalization.
class GroupNormalization : public Operator {
 public:
  explicit GroupNormalization(const OperatorSpec& spec)
      : GroupNormalization(spec, spec.attributes().require_int("num_groups")) {
    if (groups_ < 1) throw ModelError("num_groups is " + std::to_string(groups_) + "; expected a number from 1 up");
  }

  std::string_view name() const override { return "GroupNormalization"; }
  std::string describe() const override {
    return "groups=" + std::to_string(groups_) + " " + describe_epsilon(epsilon_);
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const std::string op(name());
    if (x.dim() < 2) throw ModelError(op + " got an input of rank " + std::to_string(x.dim()) + "; expected [N,C,...]");
    const int64_t channels = x.size(1), groups = groups_ == 0 ? channels : groups_;
    if (channels % groups != 0) {
      throw ModelError(op + " cannot divide " + std::to_string(channels) + " channels into " + std::to_string(groups) +
                       " groups");
    }
    return {at::group_norm(x, groups, parameter(in[1], channels, groups), parameter(in[2], channels, groups), epsilon_,
                           /*cudnn_enabled=*/false)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    const int64_t channels = call.in[0].size(1), groups = groups_ == 0 ? channels : groups_;
    const auto centred = [&](const Tensor& x) {
      const Tensor grouped = x.reshape({x.size(0), groups, -1});
      return (grouped - grouped.mean(2, /*keepdim=*/true)).view(x.sizes());
    };
    return relevance_of_normalisation(call, centred, per_channel(parameter(call.in[2], channels, groups), call.in[0]));
  }
  /// A group depends on all of its positions: of the axes only the batch stays apart.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (input == 0) locality.axes[0] = AxisReach::same(0);
    return locality;
  }

 protected:
  /// `groups` 0: as many as there are channels.
  GroupNormalization(const OperatorSpec& spec, int64_t groups)
      : groups_(groups), epsilon_(spec.attributes().get_float("epsilon", 1e-5)) {}

  double epsilon() const { return epsilon_; }

 private:
  /// One value a channel; before opset 21 there was one a group.
  Tensor parameter(const Tensor& v, int64_t channels, int64_t groups) const {
    const Tensor wide = v.numel() == groups && groups != channels ? v.repeat_interleave(channels / groups) : v;
    require_length(wide, channels, "scale or bias of " + std::string(name()));
    return wide;
  }

  int64_t groups_;
  double epsilon_;
};

class InstanceNormalization : public GroupNormalization {
 public:
  explicit InstanceNormalization(const OperatorSpec& spec) : GroupNormalization(spec, 0) {}
  std::string_view name() const override { return "InstanceNormalization"; }
  std::string describe() const override { return describe_epsilon(epsilon()); }
};

/// x / sqrt(mean(x^2) + epsilon) * scale, over the axes from `axis` to the last.
class RmsNormalization : public Operator {
 public:
  explicit RmsNormalization(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", -1)), epsilon_(spec.attributes().get_float("epsilon", 1e-5)) {}
  std::string_view name() const override { return "RMSNormalization"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_) + " " + describe_epsilon(epsilon_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints axes = axes_from(axis_, in[0].dim());
    const Tensor x = in[0].element_size() < 4 ? in[0].to(at::kFloat) : in[0];
    const Tensor y = x * ((x * x).mean(axes, /*keepdim=*/true) + epsilon_).rsqrt();
    return {y.to(in[0].scalar_type()) * in[1]};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_normalisation(call, [](const Tensor& x) { return x; }, {});
  }
  /// Every position in front of the axis by itself.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? Locality::along_others(axes_from(axis_, in[0].dim()), out.size())
                      : Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  int64_t axis_;
  double epsilon_;
};

/// x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta: AlexNet's.
class LocalResponseNormalization : public Operator {
 public:
  explicit LocalResponseNormalization(const OperatorSpec& spec)
      : size_(spec.attributes().require_int("size")),
        alpha_(spec.attributes().get_float("alpha", 1e-4)),
        beta_(spec.attributes().get_float("beta", 0.75)),
        bias_(spec.attributes().get_float("bias", 1)) {
    if (size_ < 1 || size_ > kMostChannels)
      throw ModelError("size is " + std::to_string(size_) + "; expected 1 to " + std::to_string(kMostChannels) + ".");
  }
  std::string_view name() const override { return "LRN"; }
  std::string describe() const override { return "size=" + std::to_string(size_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    if (x.dim() < 3) throw ModelError("LRN got an input of rank " + std::to_string(x.dim()) + "; expected [N,C,...]");
    Ints padding(2 * static_cast<size_t>(x.dim() - 1), 0);  // ATen lists the last axis first
    padding[padding.size() - 2] = (size_ - 1) / 2;
    padding[padding.size() - 1] = size_ / 2;
    const Tensor sum = at::constant_pad_nd(x * x, padding).unfold(1, size_, 1).sum(-1);
    return {x * (sum * (alpha_ / static_cast<double>(size_)) + bias_).pow(-beta_)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_normalisation(call, [](const Tensor& x) { return x; }, {});
  }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    return Locality::along_others({1}, out.size());
  }

 private:
  static constexpr int64_t kMostChannels = 65536;
  int64_t size_;
  double alpha_, beta_, bias_;
};

/// x / (the p-norm along the axis); zero where the norm is.
class LpNormalization : public Operator {
 public:
  explicit LpNormalization(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", -1)), p_(spec.attributes().get_int("p", 2)) {
    if (p_ != 1 && p_ != 2) throw ModelError("p is " + std::to_string(p_) + "; expected 1 or 2.");
  }
  std::string_view name() const override { return "LpNormalization"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_) + " p=" + std::to_string(p_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim());
    const Tensor norm = at::linalg_vector_norm(in[0], p_, Ints{axis}, /*keepdim=*/true);
    return {in[0] / norm.masked_fill(norm.eq(0), 1)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_normalisation(call, [](const Tensor& x) { return x; }, {});
  }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    return Locality::along_others({normalize_axis(axis_, static_cast<int64_t>(out.size()))}, out.size());
  }

 private:
  int64_t axis_, p_;
};

/// (x - mean) / (standard deviation + 1e-9), over batch and positions unless said otherwise.
class MeanVarianceNormalization : public Operator {
 public:
  explicit MeanVarianceNormalization(const OperatorSpec& spec) : axes_(spec.attributes().get_ints("axes", {0, 2, 3})) {}
  std::string_view name() const override { return "MeanVarianceNormalization"; }
  std::string describe() const override { return "axes=" + join(axes_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    Ints axes = axes_;
    for (int64_t& axis : axes) axis = normalize_axis(axis, in[0].dim());
    const Tensor centred = in[0] - in[0].mean(axes, /*keepdim=*/true);
    return {centred / ((centred * centred).mean(axes, /*keepdim=*/true).sqrt() + 1e-9)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_normalisation(call, [this](const Tensor& x) { return x - x.mean(axes_, /*keepdim=*/true); },
                                      {});
  }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    Ints axes = axes_;
    for (int64_t& axis : axes) axis = normalize_axis(axis, static_cast<int64_t>(out.size()));
    return Locality::along_others(axes, out.size());
  }

 private:
  Ints axes_;
};

}  // namespace

void register_normalization(OperatorRegistry& registry) {
  registry.add("BatchNormalization", make_operator<BatchNormalization>, 5);
  registry.add("LayerNormalization", make_operator<LayerNormalization>, 2);
  registry.add("InstanceNormalization", make_operator<InstanceNormalization>, 3);
  registry.add("GroupNormalization", make_operator<GroupNormalization>, 3);
  registry.add("RMSNormalization", make_operator<RmsNormalization>, 2);
  registry.add("LRN", make_operator<LocalResponseNormalization>);
  registry.add("LpNormalization", make_operator<LpNormalization>);
  registry.add("MeanVarianceNormalization", make_operator<MeanVarianceNormalization>);
}

}  // namespace vitrail
