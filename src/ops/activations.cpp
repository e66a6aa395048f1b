// Activations with parameters, and those whose backward pass a run may change (Relu, LeakyRelu, PRelu, Clip).

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <optional>
#include <sstream>

#include "ops/arguments.h"
#include "ops/backward_rules.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

class Relu : public Operator {
 public:
  explicit Relu(const OperatorSpec&) {}
  std::string_view name() const override { return "Relu"; }
  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const Tensor y = at::relu(in[0]);
    if (context.backward_rule == BackwardRule::plain) return {y};
    return {with_backward_rule(in[0], y, in[0].gt(0), context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }
};

class LeakyRelu : public Operator {
 public:
  explicit LeakyRelu(const OperatorSpec& spec) : alpha_(spec.attributes().get_float("alpha", 0.01)) {}
  std::string_view name() const override { return "LeakyRelu"; }
  std::string describe() const override { return "alpha=" + number(alpha_); }
  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const Tensor y = at::leaky_relu(in[0], alpha_);
    if (context.backward_rule == BackwardRule::plain) return {y};
    return {with_backward_rule(in[0], y, in[0].gt(0), context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  double alpha_;
};

class PRelu : public Operator {
 public:
  explicit PRelu(const OperatorSpec&) {}
  std::string_view name() const override { return "PRelu"; }
  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const Tensor y = at::where(in[0].lt(0), in[0] * in[1], in[0]);
    return {with_backward_rule(in[0], y, in[0].gt(0), context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }
};

/// x above zero, alpha (e^x - 1) below. Selu scales it by gamma; of Celu the exponent is x / alpha.
class Elu : public Operator {
 public:
  enum class Kind { elu, selu, celu };
  Elu(Kind kind, const OperatorSpec& spec)
      : kind_(kind),
        alpha_(spec.attributes().get_float("alpha", kind == Kind::selu ? 1.67326319217681884765625 : 1)),
        gamma_(kind == Kind::selu ? spec.attributes().get_float("gamma", 1.05070102214813232421875) : 1) {
    if (kind == Kind::celu && alpha_ == 0) throw ModelError("alpha is 0; expected another number.");
  }
  std::string_view name() const override { return kind_ == Kind::elu ? "Elu" : kind_ == Kind::selu ? "Selu" : "Celu"; }
  std::string describe() const override {
    return "alpha=" + number(alpha_) + (kind_ == Kind::selu ? " gamma=" + number(gamma_) : "");
  }
  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const Tensor y = at::elu(in[0], alpha_, gamma_, kind_ == Kind::celu ? 1 / alpha_ : 1);
    return {with_backward_rule(in[0], y, in[0].gt(0), context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  Kind kind_;
  double alpha_, gamma_;
};

/// x above alpha, else zero.
class ThresholdedRelu : public Operator {
 public:
  explicit ThresholdedRelu(const OperatorSpec& spec) : alpha_(spec.attributes().get_float("alpha", 1)) {}
  std::string_view name() const override { return "ThresholdedRelu"; }
  std::string describe() const override { return "alpha=" + number(alpha_); }
  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const Tensor active = in[0].gt(alpha_);
    const Tensor y = at::where(active, in[0], at::zeros_like(in[0]));
    return {with_backward_rule(in[0], y, active, context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  double alpha_;
};

/// Zero within lambd of zero; beyond it x moved towards zero by bias.
class Shrink : public Operator {
 public:
  explicit Shrink(const OperatorSpec& spec)
      : bias_(spec.attributes().get_float("bias", 0)), lambd_(spec.attributes().get_float("lambd", 0.5)) {}
  std::string_view name() const override { return "Shrink"; }
  std::string describe() const override { return "bias=" + number(bias_) + " lambd=" + number(lambd_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Tensor y = at::where(x.lt(-lambd_), x + bias_, at::where(x.gt(lambd_), x - bias_, at::zeros_like(x)));
    return {y.to(x.scalar_type())};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  double bias_, lambd_;
};

/// Limits are inputs; an absent one does not limit. Clip(0, 6) is ReLU6.
class Clip : public Operator {
 public:
  explicit Clip(const OperatorSpec& spec) : low_(limit(spec, 1)), high_(limit(spec, 2)) {}
  std::string_view name() const override { return "Clip"; }

  std::string describe() const override {
    std::string text = low_ ? "min=" + number(low_->toDouble()) : "";
    if (high_) text += (text.empty() ? "max=" : " max=") + number(high_->toDouble());
    return low_ && high_ && low_->equal(0) && high_->equal(6) ? text + " (ReLU6)" : text;
  }

  Tensors forward(const Tensors& in, const RunContext& context) const override {
    const auto low = value(low_, in, 1), high = value(high_, in, 2);
    if (!low && !high) return {in[0]};
    // at::clamp takes the upper limit where they cross, as ONNX does; and its gradient at a limit is one.
    const Tensor y = at::clamp(in[0], low, high).to(in[0].scalar_type());
    if (context.backward_rule == BackwardRule::plain) return {y};
    Tensor active = at::ones_like(in[0], at::kBool);
    if (low) active = active.logical_and(in[0].gt(*low));
    if (high) active = active.logical_and(in[0].lt(*high));
    return {with_backward_rule(in[0], y, active, context.backward_rule)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  using Limit = std::optional<at::Scalar>;  // a double would round the ends of int64
  static Limit limit(const OperatorSpec& spec, size_t i) {
    return spec.constant(i).defined() ? Limit(to_scalar(spec.constant(i))) : std::nullopt;
  }
  static Limit value(const Limit& constant, const Tensors& in, size_t i) {
    if (constant || i >= in.size() || !in[i].defined()) return constant;
    return to_scalar(in[i]);
  }

  Limit low_, high_;
};

class HardSigmoid : public Operator {
 public:
  explicit HardSigmoid(const OperatorSpec& spec)
      : alpha_(spec.attributes().get_float("alpha", 0.2)), beta_(spec.attributes().get_float("beta", 0.5)) {}
  std::string_view name() const override { return "HardSigmoid"; }
  std::string describe() const override { return "alpha=" + number(alpha_) + " beta=" + number(beta_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {at::clamp(in[0] * alpha_ + beta_, 0, 1)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  double alpha_, beta_;
};

class HardSwish : public Operator {
 public:
  explicit HardSwish(const OperatorSpec&) {}
  std::string_view name() const override { return "HardSwish"; }
  // Written out: ATen's kernel has no second derivative.
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {in[0] * at::clamp(in[0] / 6 + 0.5, 0, 1)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }
};

class Gelu : public Operator {
 public:
  explicit Gelu(const OperatorSpec& spec) : approximate_(spec.attributes().get_string("approximate", "none")) {
    if (approximate_ != "none" && approximate_ != "tanh")
      throw ModelError("approximate is '" + approximate_ + "'; expected none or tanh.");
  }
  std::string_view name() const override { return "Gelu"; }
  std::string describe() const override { return "approximate=" + approximate_; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {at::gelu(in[0], approximate_)}; }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  std::string approximate_;
};

/// x sigmoid(alpha x); SiLU at alpha 1.
class Swish : public Operator {
 public:
  explicit Swish(const OperatorSpec& spec) : alpha_(spec.attributes().get_float("alpha", 1)) {}
  std::string_view name() const override { return "Swish"; }
  std::string describe() const override { return alpha_ == 1 ? "" : "alpha=" + number(alpha_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {alpha_ == 1 ? at::silu(in[0]) : in[0] * at::sigmoid(in[0] * alpha_)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  double alpha_;
};

/// At inference nothing is dropped.
class Dropout : public Operator {
 public:
  explicit Dropout(const OperatorSpec& spec) : with_mask_(spec.outputs() > 1) {
    if (spec.has_input(2) && spec.constant(2).defined() && spec.constant(2).item<bool>())
      throw ModelError("training_mode is true: the model was exported for training. Export it in evaluation mode.");
  }
  std::string_view name() const override { return "Dropout"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    if (!with_mask_) return {in[0]};
    return {in[0], at::ones_like(in[0], at::kBool)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  bool with_mask_;
};

}  // namespace

void register_activations(OperatorRegistry& registry) {
  registry.add("Relu", make_operator<Relu>);
  registry.add("LeakyRelu", make_operator<LeakyRelu>);
  registry.add("PRelu", make_operator<PRelu>, 2);
  for (const auto& [name, kind] :
       {std::pair("Elu", Elu::Kind::elu), {"Selu", Elu::Kind::selu}, {"Celu", Elu::Kind::celu}})
    registry.add(name, [kind = kind](const OperatorSpec& spec) { return std::make_unique<Elu>(kind, spec); });
  registry.add("ThresholdedRelu", make_operator<ThresholdedRelu>);
  registry.add("Shrink", make_operator<Shrink>);
  registry.add("Clip", make_operator<Clip>);
  registry.add("HardSigmoid", make_operator<HardSigmoid>);
  registry.add("HardSwish", make_operator<HardSwish>);
  registry.add("Gelu", make_operator<Gelu>);
  registry.add("Swish", make_operator<Swish>);
  registry.add("Dropout", make_operator<Dropout>);
}

}  // namespace vitrail
