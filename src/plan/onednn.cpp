#include "plan/onednn.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>

#include <string_view>

namespace vitrail::onednn {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::optional<std::string_view>;
using Bias = std::optional<Tensor>;
using Sizes = at::IntArrayRef;

/// An operator of the dispatcher with its C++ signature, which is checked when it is looked up.
template <class Signature>
class Entry {
 public:
  Entry(const char* name, const char* overload)
      : handle_(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>()) {}
  template <class... Arguments>
  auto operator()(Arguments&&... arguments) const {
    return handle_.call(std::forward<Arguments>(arguments)...);
  }

 private:
  c10::TypedOperatorHandle<Signature> handle_;
};

struct Entries {
  Entry<Tensor(const Tensor&, Sizes, Sizes, Sizes, int64_t, at::OptionalIntArrayRef)> pack_convolution{
      "mkldnn::_reorder_convolution_weight", ""};
  Entry<Tensor(const Tensor&, std::optional<int64_t>)> pack_linear{"mkldnn::_reorder_linear_weight", ""};
  Entry<Tensor(const Tensor&, const Tensor&, const Bias&, Sizes, Sizes, Sizes, int64_t, std::string_view, Scalars,
               Text)>
      convolution{"mkldnn::_convolution_pointwise", ""};
  Entry<Tensor(const Tensor&, const Tensor&, const Tensor&, const Bias&, Sizes, Sizes, Sizes, int64_t, std::string_view,
               std::optional<at::Scalar>, Text, Scalars, Text)>
      convolution_add{"mkldnn::_convolution_pointwise", "binary"};
  Entry<Tensor&(Tensor&, const Tensor&, const Tensor&, const Bias&, Sizes, Sizes, Sizes, int64_t, std::string_view,
                std::optional<at::Scalar>, Text, Scalars, Text)>
      convolution_add_{"mkldnn::_convolution_pointwise_", "binary"};
  Entry<Tensor(const Tensor&, const Tensor&, const Bias&, std::string_view, Scalars, Text)> linear{
      "mkldnn::_linear_pointwise", ""};
};

const Entries& entries() {
  static const Entries entries;
  return entries;
}

Bias optional(const Tensor& bias) { return bias.defined() ? Bias(bias) : std::nullopt; }

Scalars scalars(const std::vector<double>& numbers) {
  Scalars list;
  for (const double number : numbers) list.push_back(at::Scalar(number));
  return list;
}

Text algorithm(const Activation& activation) {
  return activation.algorithm ? Text(*activation.algorithm) : Text(std::string_view());
}

Text unary(bool relu) { return relu ? Text("relu") : std::nullopt; }

}  // namespace

bool available() {
  static const bool found = [] {
    if (!at::globalContext().hasMKLDNN()) return false;
    try {
      entries();
      return true;
    } catch (const std::exception&) {
      return false;  // another libtorch: it has none of them, or with another signature
    }
  }();
  return found;
}

bool has_bf16() {
  static const bool found = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    for (const char* name : {"avx512_bf16", "amx_bf16"})
      if (const auto it = capabilities.find(name); it != capabilities.end() && it->second.toBool()) return true;
    return false;
  }();
  return found;
}

Tensor pack_convolution(const Tensor& weight, const Window& window, const Ints& input_size) {
  return entries().pack_convolution(weight, window.padding, window.stride, window.dilation, window.groups,
                                    at::OptionalIntArrayRef(input_size));
}

Tensor pack_linear(const Tensor& weight, int64_t rows) { return entries().pack_linear(weight, rows); }

Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window,
                   const Activation& activation) {
  return entries().convolution(x, weight, optional(bias), window.padding, window.stride, window.dilation, window.groups,
                               activation.name, scalars(activation.numbers), algorithm(activation));
}

Tensor convolution_add(const Tensor& x, const Tensor& other, const Tensor& weight, const Tensor& bias,
                       const Window& window, bool relu) {
  return entries().convolution_add(x, other, weight, optional(bias), window.padding, window.stride, window.dilation,
                                   window.groups, "add", std::optional<at::Scalar>(), unary(relu), Scalars(), Text());
}

void convolution_add_(const Tensor& other, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Window& window, bool relu) {
  Tensor result = other;
  entries().convolution_add_(result, x, weight, optional(bias), window.padding, window.stride, window.dilation,
                             window.groups, "add", std::optional<at::Scalar>(), unary(relu), Scalars(), Text());
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Activation& activation) {
  return entries().linear(x, weight, optional(bias), activation.name, scalars(activation.numbers),
                          algorithm(activation));
}

}  // namespace vitrail::onednn
