// Resize: interpolation as one linear map an axis.
//
// Output position o of an axis comes from the input coordinate x(o) (coordinate_transformation_mode).
// With a filter f of radius r (triangle: 1, cubic: 2) and s = min(scale, 1) where antialiased, else 1,
//
//   y[o] = sum_i w[o,i] x[i],    w[o,i] = f(s (i - x(o))) / sum_j f(s (j - x(o)))
//
// over all integers i; those outside the input repeat its edge or, with exclude_outside, are dropped
// and the rest is scaled to sum to one. Resizing is separable, so the axes are taken in turn; it is
// linear, so gradients of any order are exact. A dense map costs in * out a line; the two cases that
// networks live on, integer nearest and plain bilinear, go to ATen's kernels instead.
//
// The size that coordinates refer to is scale * in, which need not be an integer (as in the ONNX
// reference), while the output has floor(scale * in) positions.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

enum class Interpolation { nearest, linear, cubic };
enum class Coordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_crop_and_resize,
};
enum class Nearest { round_prefer_floor, round_prefer_ceil, floor, ceil };
enum class AspectRatio { stretch, not_larger, not_smaller };

template <typename Enum>
struct Choice {
  const char* name;
  Enum value;
};

constexpr Choice<Interpolation> interpolations[] = {
    {"nearest", Interpolation::nearest}, {"linear", Interpolation::linear}, {"cubic", Interpolation::cubic}};
constexpr Choice<Coordinates> coordinate_modes[] = {{"half_pixel", Coordinates::half_pixel},
                                                    {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
                                                    {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
                                                    {"align_corners", Coordinates::align_corners},
                                                    {"asymmetric", Coordinates::asymmetric},
                                                    {"tf_crop_and_resize", Coordinates::tf_crop_and_resize}};
constexpr Choice<Nearest> nearest_modes[] = {{"round_prefer_floor", Nearest::round_prefer_floor},
                                             {"round_prefer_ceil", Nearest::round_prefer_ceil},
                                             {"floor", Nearest::floor},
                                             {"ceil", Nearest::ceil}};
constexpr Choice<AspectRatio> aspect_ratios[] = {{"stretch", AspectRatio::stretch},
                                                 {"not_larger", AspectRatio::not_larger},
                                                 {"not_smaller", AspectRatio::not_smaller}};

template <typename Enum, size_t n>
Enum parse_choice(const Attributes& attributes, const std::string& name, const Choice<Enum> (&choices)[n]) {
  const std::string text = attributes.get_string(name, choices[0].name);
  std::string known;
  for (const auto& choice : choices) {
    if (text == choice.name) return choice.value;
    known += (known.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw ModelError(name + " is '" + text + "'; expected one of " + known);
}

template <typename Enum, size_t n>
std::string choice_name(Enum value, const Choice<Enum> (&choices)[n]) {
  return std::find_if(choices, choices + n, [value](const auto& c) { return c.value == value; })->name;
}

double triangle(double t) { return std::max(0.0, 1 - std::abs(t)); }

/// Keys' cubic convolution; a = -0.5 is exact for quadratics, -0.75 is what most frameworks use.
double cubic(double t, double a) {
  t = std::abs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

/// The whole part; of what no axis can have, what is refused later: zero, or beyond the limit.
int64_t to_size(double exact) {
  return exact > 0 ? static_cast<int64_t>(std::min(exact, 2.0 * static_cast<double>(kMostElements))) : 0;
}

/// One axis that changes.
struct AxisPlan {
  int64_t axis = 0;
  int64_t input = 0, output = 0;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;

  double exact_output() const { return scale * static_cast<double>(input); }
  bool identity() const { return scale == 1 && input == output && roi_begin == 0 && roi_end == 1; }
  bool exact() const { return exact_output() == static_cast<double>(output); }
};

class Resize : public Operator {
 public:
  explicit Resize(const OperatorSpec& spec)
      : mode_(parse_choice(spec.attributes(), "mode", interpolations)),
        coordinates_(parse_choice(spec.attributes(), "coordinate_transformation_mode", coordinate_modes)),
        nearest_(parse_choice(spec.attributes(), "nearest_mode", nearest_modes)),
        aspect_ratio_(parse_choice(spec.attributes(), "keep_aspect_ratio_policy", aspect_ratios)),
        cubic_a_(spec.attributes().get_float("cubic_coeff_a", -0.75)),
        extrapolation_value_(spec.attributes().get_float("extrapolation_value", 0)),
        exclude_outside_(spec.attributes().get_int("exclude_outside", 0) != 0),
        antialias_(spec.attributes().get_int("antialias", 0) != 0),
        axes_(spec.attributes().get_ints("axes")),
        sizes_(spec, 3),
        scales_(spec.constant(2).defined() ? to_floats(spec.constant(2)) : Floats()) {}

  std::string_view name() const override { return "Resize"; }

  std::string describe() const override {
    std::string text = choice_name(mode_, interpolations) + " " + choice_name(coordinates_, coordinate_modes);
    if (mode_ == Interpolation::nearest) text += " " + choice_name(nearest_, nearest_modes);
    if (antialias_) text += " antialias";
    if (sizes_.constant()) text += " sizes=" + join(*sizes_.constant());
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const std::vector<AxisPlan> plans = plan(in);
    if (plans.empty()) return {x};
    if (Tensor y = fast(x, plans); y.defined()) return {y};
    if (mode_ != Interpolation::nearest && !x.is_floating_point()) return {rounded(x, plans)};
    return {apply(x, plans)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }

  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    const bool known = !scales_.empty() || sizes_.constant();
    if (input != 0 || !known) return locality;
    for (size_t d = 0; d < out.size(); ++d) locality.axes[d] = AxisReach::same(static_cast<int64_t>(d));
    for (const AxisPlan& plan : plan(in)) locality.axes[static_cast<size_t>(plan.axis)] = reach(plan);
    return locality;
  }

 private:
  std::vector<AxisPlan> plan(const Tensors& in) const;
  Floats scales(const Tensors& in) const;
  Tensor fast(const Tensor& x, const std::vector<AxisPlan>& plans) const;
  Tensor apply(Tensor x, const std::vector<AxisPlan>& plans) const;
  Tensor rounded(const Tensor& x, const std::vector<AxisPlan>& plans) const;
  Tensor apply_axis(const Tensor& x, const AxisPlan& plan) const;
  AxisReach reach(const AxisPlan& plan) const;
  double coordinate(const AxisPlan& plan, int64_t o) const;
  int64_t nearest(const AxisPlan& plan, double x) const;
  void add_weights(const AxisPlan& plan, double x, double* row) const;

  Interpolation mode_;
  Coordinates coordinates_;
  Nearest nearest_;
  AspectRatio aspect_ratio_;
  double cubic_a_, extrapolation_value_;
  bool exclude_outside_, antialias_;
  Ints axes_;
  IntsArgument sizes_;
  Floats scales_;
};

Floats Resize::scales(const Tensors& in) const {
  if (!scales_.empty()) return scales_;
  return in.size() > 2 && in[2].defined() ? to_floats(in[2]) : Floats();
}

/// The axes that change, with the sizes and scales of this run.
std::vector<AxisPlan> Resize::plan(const Tensors& in) const {
  const Tensor& x = in[0];
  Ints axes = axes_;
  if (axes.empty()) {
    for (int64_t axis = 0; axis < x.dim(); ++axis) axes.push_back(axis);
  }
  const Floats scales = this->scales(in);
  const Ints sizes = scales.empty() ? sizes_.get(in).value_or(Ints()) : Ints();
  if (std::max(scales.size(), sizes.size()) != axes.size()) {
    throw ModelError("Resize got " + std::to_string(scales.size()) + " scales and " + std::to_string(sizes.size()) +
                     " sizes for " + std::to_string(axes.size()) + " axes; expected one a resized axis");
  }
  const Floats roi =
      coordinates_ == Coordinates::tf_crop_and_resize && in.size() > 1 && in[1].defined() ? to_floats(in[1]) : Floats();
  if (coordinates_ == Coordinates::tf_crop_and_resize && roi.size() != 2 * axes.size()) {
    throw ModelError("tf_crop_and_resize needs a region of " + std::to_string(2 * axes.size()) + " numbers; found " +
                     std::to_string(roi.size()));
  }

  std::vector<AxisPlan> plans(axes.size());
  double common = aspect_ratio_ == AspectRatio::not_smaller ? 0 : std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisPlan& plan = plans[i];
    plan.axis = normalize_axis(axes[i], x.dim());
    plan.input = x.size(plan.axis);
    plan.scale = scales.empty() ? static_cast<double>(sizes[i]) / static_cast<double>(plan.input) : scales[i];
    plan.output = scales.empty() ? sizes[i] : to_size(plan.exact_output());
    if (!roi.empty()) {
      plan.roi_begin = roi[i];
      plan.roi_end = roi[i + axes.size()];
    }
    common = aspect_ratio_ == AspectRatio::not_smaller ? std::max(common, plan.scale) : std::min(common, plan.scale);
  }
  if (!sizes.empty() && aspect_ratio_ != AspectRatio::stretch) {
    for (AxisPlan& plan : plans) {
      plan.scale = common;
      plan.output = to_size(plan.exact_output() + 0.5);
    }
  }
  Ints shape = x.sizes().vec();
  for (const AxisPlan& plan : plans) {
    shape[static_cast<size_t>(plan.axis)] = plan.output;
    if (!(plan.scale > 0) || !std::isfinite(plan.scale) || plan.output < 1) {
      throw ModelError("Resize would scale axis " + std::to_string(plan.axis) + " of size " +
                       std::to_string(plan.input) + " by " + std::to_string(plan.scale) + " to " +
                       std::to_string(plan.output) + "; expected at least one position");
    }
  }
  check_result_shape(shape);
  std::erase_if(plans, [](const AxisPlan& plan) { return plan.identity(); });
  return plans;
}

/// ATen's kernels for height and width of [N,C,H,W], where they compute the same; else undefined.
Tensor Resize::fast(const Tensor& x, const std::vector<AxisPlan>& plans) const {
  const bool spatial = x.dim() == 4 && x.is_floating_point() &&
                       std::all_of(plans.begin(), plans.end(), [](const auto& p) { return p.axis >= 2 && p.exact(); });
  if (!spatial || antialias_ || exclude_outside_) return {};
  Ints sizes{x.size(2), x.size(3)};
  for (const AxisPlan& plan : plans) sizes[static_cast<size_t>(plan.axis - 2)] = plan.output;

  if (mode_ == Interpolation::nearest) {
    // floor(o / scale) for whole scales; powers of two, because the kernel divides in float32.
    const bool doubling = std::all_of(plans.begin(), plans.end(), [](const AxisPlan& plan) {
      return plan.scale == 2 || plan.scale == 4 || plan.scale == 8 || plan.scale == 16;
    });
    const bool rounds = nearest_ == Nearest::round_prefer_floor || nearest_ == Nearest::round_prefer_ceil;
    const bool floors = (coordinates_ == Coordinates::asymmetric && nearest_ == Nearest::floor) ||
                        (coordinates_ == Coordinates::half_pixel && rounds);
    return doubling && floors ? at::upsample_nearest2d(x, sizes) : Tensor();
  }
  const bool single = std::any_of(plans.begin(), plans.end(), [](const AxisPlan& plan) { return plan.output == 1; });
  const bool half_pixel = coordinates_ == Coordinates::half_pixel ||
                          coordinates_ == Coordinates::half_pixel_symmetric ||
                          (coordinates_ == Coordinates::pytorch_half_pixel && !single);
  const bool align = coordinates_ == Coordinates::align_corners;
  if (mode_ != Interpolation::linear || (!half_pixel && !align)) return {};
  return at::upsample_bilinear2d(x, sizes, align);
}

Tensor Resize::apply(Tensor x, const std::vector<AxisPlan>& plans) const {
  for (const AxisPlan& plan : plans) x = apply_axis(x, plan);
  return x;
}

/// Integers are interpolated in float64, rounded and saturated.
Tensor Resize::rounded(const Tensor& x, const std::vector<AxisPlan>& plans) const {
  const Tensor y = apply(x.to(at::kDouble), plans).round();
  switch (x.scalar_type()) {
    case at::kByte:
      return y.clamp(0, 255).to(at::kByte);
    case at::kChar:
      return y.clamp(-128, 127).to(at::kChar);
    case at::kShort:
      return y.clamp(-32768, 32767).to(at::kShort);
    default:
      return y.to(x.scalar_type());
  }
}

Tensor Resize::apply_axis(const Tensor& x, const AxisPlan& plan) const {
  // Tables as tensors: of a hostile size they are refused like any tensor that is too large.
  const bool nearest_only = mode_ == Interpolation::nearest;
  const Ints table = nearest_only ? Ints{plan.output} : Ints{plan.output, plan.input};
  check_result_shape(table);
  const Tensor taken = at::zeros(table, nearest_only ? at::kLong : at::kDouble);  // positions, or weights
  const Tensor outside = at::zeros({plan.output}, at::kBool);
  for (int64_t o = 0; o < plan.output; ++o) {
    const double at = coordinate(plan, o);
    outside.data_ptr<bool>()[o] =
        coordinates_ == Coordinates::tf_crop_and_resize && (at < 0 || at > static_cast<double>(plan.input - 1));
    if (nearest_only) {
      taken.data_ptr<int64_t>()[o] = nearest(plan, at);
    } else {
      add_weights(plan, at, taken.data_ptr<double>() + o * plan.input);
    }
  }

  Tensor y =
      nearest_only
          ? x.index_select(plan.axis, beside(taken, x))
          : at::matmul(x.movedim(plan.axis, -1), taken.to(x.options().requires_grad(false)).t()).movedim(-1, plan.axis);
  if (!outside.any().item<bool>()) return y;
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[static_cast<size_t>(plan.axis)] = -1;
  return y.masked_fill(beside(outside, x).reshape(shape), extrapolation_value_);
}

/// Positions of the output lie evenly in the input: for a scale p / q,
///
///   x(o) = (2 q o + q - p) / 2p    (half a pixel)    or    q o / p    (asymmetric),
///
/// and the filter reads from ceil(x - r) to floor(x + r). Other coordinates count as read from anywhere.
AxisReach Resize::reach(const AxisPlan& plan) const {
  const bool half = coordinates_ == Coordinates::half_pixel ||
                    (coordinates_ == Coordinates::pytorch_half_pixel && plan.output > 1) ||
                    (coordinates_ == Coordinates::half_pixel_symmetric && plan.exact());
  if (!half && coordinates_ != Coordinates::asymmetric) return {};
  constexpr int64_t most = 64;
  int64_t q = 1;
  const auto numerator = [&] { return plan.scale * static_cast<double>(q); };
  const auto is_whole = [&] { return std::abs(numerator() - std::round(numerator())) < 1e-9 * numerator(); };
  while (q <= most && !is_whole()) ++q;
  if (q > most) return {};
  const auto p = static_cast<int64_t>(std::round(numerator()));
  const double shrink = antialias_ ? std::min(plan.scale, 1.0) : 1.0;
  const double radius = mode_ == Interpolation::nearest ? 1 : (mode_ == Interpolation::linear ? 1 : 2) / shrink;
  // In units of 1 / 2p, and one unit more on either side for the rounding of coordinates.
  const auto reach = static_cast<int64_t>(std::ceil(radius * 2 * static_cast<double>(p)));
  const int64_t offset = half ? q - p : 0;
  return {plan.axis, 2 * q, 2 * p, offset - reach + 2 * p - 1 - 1, offset + reach + 1};
}

/// Where output position o lies in the input.
double Resize::coordinate(const AxisPlan& plan, int64_t o) const {
  const double position = static_cast<double>(o), input = static_cast<double>(plan.input);
  const double output = plan.exact_output(), half_pixel = (position + 0.5) / plan.scale - 0.5;
  switch (coordinates_) {
    case Coordinates::half_pixel:
      return half_pixel;
    case Coordinates::half_pixel_symmetric:  // the centres of input and output coincide, exactly
      return (input - 1) / 2 + (position - static_cast<double>(plan.output - 1) / 2) / plan.scale;
    case Coordinates::pytorch_half_pixel:
      return plan.output > 1 ? half_pixel : 0;
    case Coordinates::align_corners:
      return output == 1 ? 0 : position * (input - 1) / (output - 1);
    case Coordinates::asymmetric:
      return position / plan.scale;
    case Coordinates::tf_crop_and_resize: {
      const double extent = (plan.roi_end - plan.roi_begin) * (input - 1);
      return plan.roi_begin * (input - 1) + (output == 1 ? extent / 2 : position * extent / (output - 1));
    }
  }
  return 0;
}

int64_t Resize::nearest(const AxisPlan& plan, double x) const {
  double rounded = 0;
  switch (nearest_) {
    case Nearest::round_prefer_floor:
      rounded = std::ceil(x - 0.5);
      break;
    case Nearest::round_prefer_ceil:
      rounded = std::floor(x + 0.5);
      break;
    case Nearest::floor:
      rounded = std::floor(x);
      break;
    case Nearest::ceil:
      rounded = std::ceil(x);
      break;
  }
  return std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, plan.input - 1);
}

/// One row of the map.
void Resize::add_weights(const AxisPlan& plan, double x, double* row) const {
  const double shrink = antialias_ ? std::min(plan.scale, 1.0) : 1.0;
  const double radius = (mode_ == Interpolation::linear ? 1.0 : 2.0) / shrink;
  const int64_t first = static_cast<int64_t>(std::ceil(x - radius)),
                last = static_cast<int64_t>(std::floor(x + radius));
  const auto weight = [&](int64_t i) {
    const double t = shrink * (static_cast<double>(i) - x);
    return mode_ == Interpolation::linear ? triangle(t) : cubic(t, cubic_a_);
  };
  const auto dropped = [&](int64_t i) { return exclude_outside_ && (i < 0 || i >= plan.input); };
  double sum = 0;
  for (int64_t i = first; i <= last; ++i) sum += dropped(i) ? 0 : weight(i);
  for (int64_t i = first; i <= last; ++i) {
    if (!dropped(i) && sum != 0) row[std::clamp<int64_t>(i, 0, plan.input - 1)] += weight(i) / sum;
  }
}

}  // namespace

void register_resize(OperatorRegistry& registry) { registry.add("Resize", make_operator<Resize>); }

}  // namespace vitrail
