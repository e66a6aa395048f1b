#include "plan/direct.h"

#include "vitrail/error.h"

#ifdef VITRAIL_WITH_ONEDNN

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_unsafe_view.h>
#include <ATen/ops/empty.h>

#include <dnnl.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include "plan/openmp.h"

namespace vitrail::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

const dnnl::engine& engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream() {
  thread_local dnnl::stream stream(engine());
  return stream;
}

memory::data_type type_of(at::ScalarType type) {
  return type == at::kBFloat16 ? memory::data_type::bf16 : memory::data_type::f32;
}

memory view(const memory::desc& desc, const Tensor& t) { return {desc, engine(), t.data_ptr()}; }

void append(dnnl::post_ops& after, const Activation& activation) {
  using dnnl::algorithm;
  const auto number = [&](size_t i) { return static_cast<float>(activation.numbers[i]); };
  const std::string& name = activation.name;
  if (name == "none") return;
  if (name == "relu") return after.append_eltwise(algorithm::eltwise_relu, 0, 0);
  if (name == "leaky_relu") return after.append_eltwise(algorithm::eltwise_relu, number(0), 0);
  if (name == "sigmoid") return after.append_eltwise(algorithm::eltwise_logistic, 0, 0);
  if (name == "tanh") return after.append_eltwise(algorithm::eltwise_tanh, 0, 0);
  if (name == "swish") return after.append_eltwise(algorithm::eltwise_swish, 1, 0);
  if (name == "hardswish") return after.append_eltwise(algorithm::eltwise_hardswish, 1.f / 6, 0.5f);
  if (name == "hardsigmoid") return after.append_eltwise(algorithm::eltwise_hardsigmoid, 1.f / 6, 0.5f);
  if (name == "hardtanh") return after.append_eltwise(algorithm::eltwise_clip, number(0), number(1));
  VITRAIL_CHECK(name == "gelu", "an activation that oneDNN does not know");
  after.append_eltwise(*activation.algorithm == "tanh" ? algorithm::eltwise_gelu_tanh : algorithm::eltwise_gelu_erf, 0,
                       0);
}

/// What a layer adds to its own result before the activation.
enum class Other { none, in_place, apart };

struct Key {
  memory::dims input;
  Other other;
  bool backward;  ///< from the gradient of the output to that of x
  int threads;    ///< a primitive is for as many as it was made with
  auto operator<=>(const Key&) const = default;
};

/// A tensor that a primitive reads or writes.
struct End {
  int name;
  memory::desc desc;
};

template <class Description>
constexpr bool is_backward = std::is_same_v<Description, dnnl::convolution_backward_data::primitive_desc> ||
                             std::is_same_v<Description, dnnl::inner_product_backward_data::primitive_desc>;

template <class Description>
End source(const Description& description) {
  if constexpr (is_backward<Description>)
    return {DNNL_ARG_DIFF_DST, description.diff_dst_desc()};
  else
    return {DNNL_ARG_SRC, description.src_desc()};
}

template <class Description>
End destination(const Description& description) {
  if constexpr (is_backward<Description>)
    return {DNNL_ARG_DIFF_SRC, description.diff_src_desc()};
  else
    return {DNNL_ARG_DST, description.dst_desc()};
}

/// What a primitive reads and writes; the handles are set for each call.
struct Call {
  memory x, weight, bias, other, y, scratch;
  std::vector<dnnl_exec_arg_t> arguments;
};

/// A primitive for one size of input. Calls are kept for the next: to make one takes longer than a small layer.
class Prepared {
 public:
  template <class Description>
  Prepared(const Description& description, memory weight, memory bias, Other other, memory::dims sizes)
      : sizes(std::move(sizes)), primitive_(description), scratch_bytes_(description.scratchpad_desc().get_size()) {
    const auto empty = [](const memory::desc& desc) { return memory(desc, engine(), DNNL_MEMORY_NONE); };
    make_ = [=, x = source(description), y = destination(description), scratch = description.scratchpad_desc()] {
      auto call = std::make_unique<Call>(Call{empty(x.desc), weight, bias, memory(), empty(y.desc), memory(), {}});
      const auto add = [&](int name, const memory& m) { call->arguments.push_back({name, m.get()}); };
      add(x.name, call->x);
      add(DNNL_ARG_WEIGHTS, call->weight);
      add(y.name, call->y);
      if (call->bias) add(DNNL_ARG_BIAS, call->bias);
      if (other == Other::apart) {
        call->other = empty(y.desc);
        add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, call->other);
      }
      if (scratch.get_size() > 0) {
        call->scratch = empty(scratch);
        add(DNNL_ARG_SCRATCHPAD, call->scratch);
      }
      return call;
    };
  }

  void run(const Tensor& x, const Tensor& other, const Tensor& y) const {
    std::unique_ptr<Call> call = take();
    call->x.set_data_handle(x.data_ptr());
    call->y.set_data_handle(y.data_ptr());
    if (call->other) call->other.set_data_handle(other.data_ptr());
    Tensor scratch;
    if (scratch_bytes_ > 0) {
      scratch = at::empty({static_cast<int64_t>(scratch_bytes_)}, at::TensorOptions(at::kByte));
      call->scratch.set_data_handle(scratch.data_ptr());
    }
    const auto status = dnnl_primitive_execute(primitive_.get(), stream().get(),
                                               static_cast<int>(call->arguments.size()), call->arguments.data());
    dnnl::error::wrap_c_api(status, "oneDNN could not run a layer");
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(call));
  }

  const memory::dims sizes;  ///< of y, in the order of a tensor

 private:
  std::unique_ptr<Call> take() const {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto call = std::move(idle_.back());
        idle_.pop_back();
        return call;
      }
    }
    return make_();
  }

  dnnl::primitive primitive_;
  size_t scratch_bytes_;
  std::function<std::unique_ptr<Call>()> make_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Call>> idle_;
};

}  // namespace

struct DirectLayer::Impl {
  bool is_convolution;
  at::ScalarType precision;
  Window window;
  Activation activation;
  Tensor weight, bias;  ///< as the layer has them, contiguous; bias float32

  mutable std::shared_mutex mutex;
  mutable std::map<Key, std::shared_ptr<const Prepared>> prepared;
  struct Packed {
    memory::desc desc;
    Tensor bytes;
  };
  mutable std::vector<Packed> packed;  ///< the weight in each order that was asked for

  /// [M,C/groups,kh,kw] as [groups,M/groups,C/groups,kh,kw] where there are groups; or [M,K].
  memory::dims weight_sizes() const {
    memory::dims sizes = weight.sizes().vec();
    if (is_convolution && window.groups > 1) {
      sizes[0] /= window.groups;
      sizes.insert(sizes.begin(), window.groups);
    }
    return sizes;
  }

  Tag weight_order() const {
    if (!is_convolution) return Tag::ab;
    return window.groups > 1 ? Tag::abcde : Tag::abcd;
  }

  memory::dims output_sizes(const memory::dims& x) const {
    if (!is_convolution) return {x[0], weight.size(0)};
    memory::dims sizes{x[0], weight.size(0)};
    for (size_t i = 0; i < 2; ++i)
      sizes.push_back((x[i + 2] + window.padding[i] + window.end_padding[i] - reach(i)) / window.stride[i] + 1);
    return sizes;
  }

  /// Of a window over axis i of the image: pixels from its first to its last.
  int64_t reach(size_t i) const { return (weight.size(static_cast<int64_t>(i) + 2) - 1) * window.dilation[i] + 1; }

  dnnl::primitive_attr attributes(Other other, const memory::desc& y) const {
    dnnl::post_ops after;
    if (other == Other::in_place) after.append_sum(1);
    if (other == Other::apart) after.append_binary(dnnl::algorithm::binary_add, y);
    append(after, activation);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(after);
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }

  /// The weight in this order. To be called under the lock.
  memory pack(const memory::desc& desc) const {
    for (const Packed& known : packed)
      if (known.desc == desc) return view(desc, known.bytes);
    packed.push_back({desc, at::empty({static_cast<int64_t>(desc.get_size())}, at::TensorOptions(at::kByte))});
    memory result = view(desc, packed.back().bytes);
    memory plain = view({weight_sizes(), type_of(precision), weight_order()}, weight);
    dnnl::reorder(plain, result).execute(stream(), plain, result);
    return result;
  }

  memory bias_memory() const {
    return bias.defined() ? view({bias.sizes().vec(), memory::data_type::f32, Tag::a}, bias) : memory();
  }

  template <class Description>
  std::shared_ptr<const Prepared> prepare(const Description& description, const Key& key) const {
    return std::make_shared<Prepared>(description, pack(description.weights_desc()),
                                      key.backward ? memory() : bias_memory(), key.other,
                                      key.backward ? key.input : output_sizes(key.input));
  }

  std::shared_ptr<const Prepared> prepare(const Key& key) const {
    const memory::data_type type = type_of(precision);
    const memory::dims output = output_sizes(key.input);
    const Tag order = is_convolution ? Tag::nhwc : Tag::nc;
    const memory::desc x(key.input, type, order), y(output, type, order), any(weight_sizes(), type, Tag::any);
    const memory::desc b = bias.defined() ? bias_memory().get_desc() : memory::desc();
    dnnl::primitive_attr plain;
    plain.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto kind = key.backward ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const dnnl::primitive_attr attributes = key.backward ? plain : this->attributes(key.other, y);
    if (!is_convolution) {
      const dnnl::inner_product_forward::primitive_desc forward(engine(), kind, x, any, b, y, attributes);
      if (!key.backward) return prepare(forward, key);
      return prepare(dnnl::inner_product_backward_data::primitive_desc(engine(), x, any, y, forward, plain), key);
    }
    memory::dims dilation = window.dilation, end(2);
    for (size_t i = 0; i < 2; ++i) {
      // oneDNN wants the padding at the end that the last window just reaches.
      end[i] = (output[i + 2] - 1) * window.stride[i] + reach(i) - key.input[i + 2] - window.padding[i];
      --dilation[i];
    }
    constexpr auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(engine(), kind, direct, x, any, b, y, window.stride,
                                                            dilation, window.padding, end, attributes);
    if (!key.backward) return prepare(forward, key);
    return prepare(dnnl::convolution_backward_data::primitive_desc(engine(), direct, x, any, y, window.stride, dilation,
                                                                   window.padding, end, forward, plain),
                   key);
  }

  std::shared_ptr<const Prepared> find(const Key& key) const {
    {
      const std::shared_lock lock(mutex);
      if (const auto it = prepared.find(key); it != prepared.end()) return it->second;
    }
    const std::unique_lock lock(mutex);
    auto& entry = prepared[key];
    if (!entry) entry = prepare(key);
    return entry;
  }

  /// x as [rows,K] or as it is, and densely in the layer's order.
  Tensor arrange(const Tensor& x) const {
    return is_convolution ? x.contiguous(kChannelsLast) : x.reshape({-1, x.size(-1)}).contiguous();
  }

  /// For what a primitive gives.
  Tensor empty(const Prepared& ready, const Tensor& like) const {
    return is_convolution ? at::empty(ready.sizes, like.options(), kChannelsLast)
                          : at::empty(ready.sizes, like.options());
  }

  Tensor run(const Tensor& input, const Tensor& other, bool may_overwrite) const {
    at::internal::lazy_init_num_threads();  // a thread of the caller's does not know of at::set_num_threads yet
    const Tensor x = arrange(input), added = other.defined() ? arrange(other) : Tensor();
    Key key{x.sizes().vec(), Other::none, /*backward=*/false, omp_get_max_threads()};
    if (added.defined())
      key.other = may_overwrite || added.data_ptr() != other.data_ptr() ? Other::in_place : Other::apart;
    const auto ready = find(key);
    Tensor y = key.other == Other::in_place ? added : empty(*ready, x);
    ready->run(x, added, y);
    if (is_convolution || input.dim() == 2) return y;
    std::vector<int64_t> sizes = input.sizes().vec();
    sizes.back() = y.size(1);
    return at::_unsafe_view(y, sizes);  // no view of anything that lives on
  }

  Tensor run_backward(const Tensor& gradient, const Ints& input) const {
    at::internal::lazy_init_num_threads();
    const Tensor g = arrange(gradient);
    const memory::dims x = is_convolution ? input : memory::dims{g.size(0), input.back()};
    const auto ready = find({x, Other::none, /*backward=*/true, omp_get_max_threads()});
    const Tensor result = empty(*ready, g);
    ready->run(g, {}, result);
    return is_convolution ? result : result.view(input);  // as a view one image would not count as channels-last
  }
};

bool is_linked() { return true; }

DirectLayer::DirectLayer(const Layer& layer, at::ScalarType precision) : impl_(std::make_unique<Impl>()) {
  impl_->is_convolution = layer.kind == Layer::Kind::convolution;
  impl_->precision = precision;
  impl_->window = layer.window;
  impl_->activation = layer.activation;
  impl_->weight = layer.weight.to(precision).contiguous();
  if (layer.bias.defined()) impl_->bias = layer.bias.to(at::kFloat).contiguous();
}

DirectLayer::~DirectLayer() = default;

Tensor DirectLayer::run(const Tensor& x, const Tensor& other, bool may_overwrite) const {
  return impl_->run(x, other, may_overwrite);
}

Tensor DirectLayer::run_backward(const Tensor& gradient, const Ints& input) const {
  return impl_->run_backward(gradient, input);
}

int64_t DirectLayer::bytes() const {
  const std::shared_lock lock(impl_->mutex);
  int64_t bytes = 0;
  for (const Impl::Packed& weight : impl_->packed) bytes += weight.bytes.numel();
  return bytes;
}

}  // namespace vitrail::onednn

#else

namespace vitrail::onednn {

struct DirectLayer::Impl {};
bool is_linked() { return false; }
DirectLayer::DirectLayer(const Layer&, at::ScalarType) { VITRAIL_CHECK(false, "built without oneDNN"); }
DirectLayer::~DirectLayer() = default;
Tensor DirectLayer::run(const Tensor&, const Tensor&, bool) const { return {}; }
Tensor DirectLayer::run_backward(const Tensor&, const Ints&) const { return {}; }
int64_t DirectLayer::bytes() const { return 0; }

}  // namespace vitrail::onednn

#endif
