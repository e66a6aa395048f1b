// Softmax, LogSoftmax, Attention and RotaryEmbedding. Attention is written out as
//
//   softmax(softcap(scale Q K^T) + mask) V
//
// rather than with a fused kernel, so that gradients of any order work.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <vitrail/error.h>

#include <cmath>
#include <limits>
#include <optional>

#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

template <bool logarithm>
class SoftmaxOperator : public Operator {
 public:
  explicit SoftmaxOperator(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", -1)) {}
  std::string_view name() const override { return logarithm ? "LogSoftmax" : "Softmax"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim());
    return {logarithm ? at::log_softmax(in[0], axis) : at::softmax(in[0], axis)};
  }
  // Of s = softmax(x): x_i (R_i - s_i sum R), the first-order expansion; what it lacks is the value at 0.
  Relevance relevance(const RelevanceCall& call) const override {
    if (logarithm || call.deeplift()) return relevance_of_rest(call);
    const Tensor &x = call.in[0], &arrived = call.arrived[0];
    const int64_t axis = normalize_axis(axis_, x.dim());
    const Tensor sent = x * (arrived - call.out[0] * arrived.sum(axis, /*keepdim=*/true));
    return {{sent.masked_fill(x.isinf(), 0)}, "softmax"};
  }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    return Locality::along_others({normalize_axis(axis_, static_cast<int64_t>(out.size()))}, out.size());
  }

 private:
  int64_t axis_;
};

/// softmax_precision as ONNX numbers its types; nothing where it is no floating-point type.
std::optional<at::ScalarType> parse_precision(const Attributes& attributes) {
  if (!attributes.has("softmax_precision")) return std::nullopt;
  switch (const int64_t type = attributes.get_int("softmax_precision", 0)) {
    case 1:
      return at::kFloat;
    case 10:
      return at::kHalf;
    case 11:
      return at::kDouble;
    case 16:
      return at::kBFloat16;
    default:
      throw ModelError("softmax_precision is " + std::to_string(type) + "; expected 1, 10, 11 or 16 (a floating type)");
  }
}

/// What the optional fourth output holds.
enum class ScoreOutput { raw = 0, capped = 1, masked = 2, probabilities = 3 };

class Attention : public Operator {
 public:
  explicit Attention(const OperatorSpec& spec)
      : query_heads_(spec.attributes().get_int("q_num_heads", 0)),
        key_heads_(spec.attributes().get_int("kv_num_heads", 0)),
        scale_(spec.attributes().get_float("scale", 0)),
        softcap_(spec.attributes().get_float("softcap", 0)),
        causal_(spec.attributes().get_int("is_causal", 0) != 0),
        precision_(parse_precision(spec.attributes())),
        outputs_(spec.outputs()) {
    const int64_t mode = spec.attributes().get_int("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) {
      throw ModelError("qk_matmul_output_mode is " + std::to_string(mode) + "; expected 0, 1, 2 or 3");
    }
    score_output_ = static_cast<ScoreOutput>(mode);
  }

  std::string_view name() const override { return "Attention"; }

  std::string describe() const override {
    std::string text;
    if (query_heads_ > 0) text += "heads=" + std::to_string(query_heads_) + "," + std::to_string(key_heads_);
    if (causal_) add_word(text, "causal");
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const auto input = [&in](size_t i) { return i < in.size() ? in[i] : Tensor(); };
    const bool flat = in[0].dim() == 3;
    const Tensor query = by_head(in[0], query_heads_, "Q");
    const Tensor key = after(input(4), by_head(in[1], key_heads_, "K"));
    const Tensor value = after(input(5), by_head(in[2], key_heads_, "V"));
    if (query.size(1) % key.size(1) != 0 || key.size(1) != value.size(1)) {
      throw ModelError("Attention cannot share " + std::to_string(key.size(1)) + " key and " +
                       std::to_string(value.size(1)) + " value heads among " + std::to_string(query.size(1)) +
                       " query heads; expected a divisor");
    }
    const int64_t past = input(4).defined() ? input(4).size(2) : 0;

    // Each key head serves a run of neighbouring query heads.
    const int64_t sharing = query.size(1) / key.size(1);
    const auto shared = [sharing](const Tensor& t) { return sharing == 1 ? t : t.repeat_interleave(sharing, 1); };
    const double scale = scale_ != 0 ? scale_ : 1 / std::sqrt(static_cast<double>(query.size(3)));

    const Tensor raw = at::matmul(query * scale, shared(key).transpose(-1, -2));
    const Tensor capped = softcap_ > 0 ? (raw / softcap_).tanh() * softcap_ : raw;
    const Tensor masked = mask(capped, input(3), input(6), past);
    const Tensor probabilities = softmax(masked).to(value.scalar_type());
    Tensor y = at::matmul(probabilities, shared(value));
    if (flat) y = y.transpose(1, 2).flatten(2);

    Tensors out{y, key, value, scores(raw, capped, masked, probabilities)};
    out.resize(outputs_);
    return out;
  }
  // Probabilities and values share alike, and so do queries and keys; the softmax is expanded to first order.
  Relevance relevance(const RelevanceCall& call) const override {
    if (call.deeplift()) return relevance_of_rest(call);
    std::vector<double> shares = {0.25, 0.25, 0.5, 0.5, 0.25, 0.5, 0};
    shares.resize(call.in.size());
    return shared_by_gradient(call, shares, "attention");
  }

 private:
  /// [N, tokens, heads * size] -> [N, heads, tokens, size]; four axes are so already.
  static Tensor by_head(const Tensor& x, int64_t heads, const std::string& what) {
    if (x.dim() == 4) return x;
    if (x.dim() != 3 || heads < 1 || x.size(2) % heads != 0) {
      throw ModelError("Attention got " + what + " of rank " + std::to_string(x.dim()) + " with " +
                       std::to_string(heads) +
                       " heads; expected [N,heads,tokens,size], or [N,tokens,hidden] with "
                       "q_num_heads and kv_num_heads that divide hidden");
    }
    return x.unflatten(2, Ints{heads, -1}).transpose(1, 2);
  }

  static Tensor after(const Tensor& past, const Tensor& x) { return past.defined() ? at::cat({past, x}, 2) : x; }

  /// Minus infinity where a query may not look; a floating mask is added.
  Tensor mask(Tensor scores, const Tensor& given, const Tensor& valid_keys, int64_t past) const {
    const int64_t queries = scores.size(2), keys = scores.size(3);
    if (given.defined()) {
      const Tensor here = beside(given, scores);
      const bool is_bool = here.scalar_type() == at::kBool;
      const int64_t missing = keys - here.size(-1);
      // A mask may be shorter than the keys: what it does not name is hidden. One that broadcasts names all.
      const Tensor full = missing > 0 && (here.size(-1) > 1 || keys == 1)
                              ? at::constant_pad_nd(here, {0, missing}, is_bool ? 0.0 : minus_infinity)
                              : here;
      scores = is_bool ? scores.masked_fill(full.logical_not(), minus_infinity) : scores + full;
    }
    if (causal_) {
      const Tensor allowed =
          at::ones({queries, keys}, scores.options().dtype(at::kBool).requires_grad(false)).tril(past);
      scores = scores.masked_fill(allowed.logical_not(), minus_infinity);
    }
    if (valid_keys.defined()) {
      const Tensor position = at::arange(keys, scores.options().dtype(at::kLong).requires_grad(false));
      const Tensor hidden = position.ge(beside(valid_keys, scores).reshape({-1, 1, 1, 1}));
      scores = scores.masked_fill(hidden, minus_infinity);
    }
    return scores;
  }

  /// In the type that the node asks for, never in a narrower one than the scores have.
  Tensor softmax(const Tensor& scores) const {
    if (precision_ && c10::elementSize(*precision_) > c10::elementSize(scores.scalar_type())) {
      return at::softmax(scores, -1, precision_);
    }
    return at::softmax(scores, -1);
  }

  Tensor scores(const Tensor& raw, const Tensor& capped, const Tensor& masked, const Tensor& probabilities) const {
    switch (score_output_) {
      case ScoreOutput::raw:
        return raw;
      case ScoreOutput::capped:
        return capped;
      case ScoreOutput::masked:
        return masked;
      case ScoreOutput::probabilities:
        return probabilities;
    }
    return {};
  }

  int64_t query_heads_, key_heads_;
  double scale_, softcap_;
  bool causal_;
  std::optional<at::ScalarType> precision_;
  ScoreOutput score_output_;
  size_t outputs_;
};

/// Turns pairs of features by an angle that grows with the position: position encoding of transformers.
/// Takes [N,heads,L,D], or [N,L,heads*D] with num_heads.
class RotaryEmbedding : public Operator {
 public:
  explicit RotaryEmbedding(const OperatorSpec& spec)
      : interleaved_(spec.attributes().get_int("interleaved", 0) != 0),
        width_(spec.attributes().get_int("rotary_embedding_dim", 0)),
        heads_(spec.attributes().get_int("num_heads", 0)) {}
  std::string_view name() const override { return "RotaryEmbedding"; }
  std::string describe() const override { return interleaved_ ? "interleaved" : ""; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const bool flat = in[0].dim() == 3;
    if (in[0].dim() != 4 && !(flat && heads_ > 0 && in[0].size(2) % heads_ == 0))
      throw ModelError("RotaryEmbedding got " + shape_text(in[0]) + " and num_heads " + std::to_string(heads_) +
                       "; expected [N,heads,L,D], or [N,L,heads*D] with num_heads.");
    const Tensor x = flat ? in[0].unflatten(2, Ints{heads_, in[0].size(2) / heads_}) : in[0].transpose(1, 2);
    const int64_t width = width_ == 0 ? x.size(3) : width_;
    if (width % 2 != 0 || width < 0 || width > x.size(3))
      throw ModelError("RotaryEmbedding cannot turn " + std::to_string(width) + " of " + std::to_string(x.size(3)) +
                       " features; expected an even number of them.");
    const Tensor cosine = angles(in, 1), sine = angles(in, 2), turned = x.narrow(3, 0, width);
    // [N,L,heads,width/2,2]: the partner of a feature is its neighbour, or lies half the width away.
    const Tensor pairs = interleaved_ ? turned.unflatten(3, Ints{width / 2, 2})
                                      : turned.unflatten(3, Ints{2, width / 2}).transpose(3, 4);
    const Tensor a = pairs.select(4, 0), b = pairs.select(4, 1);
    const Tensor both = at::stack({a * cosine - b * sine, a * sine + b * cosine}, interleaved_ ? 4 : 3).flatten(3);
    const Tensor y = at::cat({both, x.narrow(3, width, x.size(3) - width)}, 3);
    return {flat ? y.flatten(2) : y.transpose(1, 2)};
  }

 private:
  /// [N,L,1,width/2], looked up by position where positions are given.
  static Tensor angles(const Tensors& in, size_t i) {
    if (in.size() < 4 || !in[3].defined()) return in[i].unsqueeze(2);
    const Tensor position = beside(in[3], in[i]).to(at::kLong);
    return in[i].index_select(0, position.flatten()).unflatten(0, position.sizes()).unsqueeze(2);
  }

  bool interleaved_;
  int64_t width_, heads_;
};

}  // namespace

void register_attention(OperatorRegistry& registry) {
  registry.add("Softmax", make_operator<SoftmaxOperator<false>>);
  registry.add("LogSoftmax", make_operator<SoftmaxOperator<true>>);
  registry.add("Attention", make_operator<Attention>, 3);
  registry.add("RotaryEmbedding", make_operator<RotaryEmbedding>, 3);
}

}  // namespace vitrail
