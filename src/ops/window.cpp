#include "ops/window.h"

#include <vitrail/error.h>

#include <algorithm>

#include "ops/describe.h"

namespace vitrail {
namespace {

AutoPad parse_auto_pad(const std::string& text) {
  if (text.empty() || text == "NOTSET") return AutoPad::notset;
  if (text == "SAME_UPPER") return AutoPad::same_upper;
  if (text == "SAME_LOWER") return AutoPad::same_lower;
  if (text == "VALID") return AutoPad::valid;
  throw ModelError("auto_pad is '" + text + "'; expected NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

void require_rank(const Ints& values, size_t expected, const std::string& name) {
  if (values.empty() || values.size() == expected) return;
  throw ModelError(name + " is " + join(values) + "; expected " + std::to_string(expected) +
                   " numbers for a kernel of this rank");
}

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

}  // namespace

void require_within(const Ints& values, int64_t least, const std::string& name) {
  constexpr int64_t kMost = 1 << 24;  // products of two with a size stay far from overflow
  for (int64_t v : values) {
    if (v < least || v > kMost)
      throw ModelError(name + " is " + join(values) + "; expected numbers from " + std::to_string(least) + " to " +
                       std::to_string(kMost));
  }
}

Ints operator+(const Ints& a, const Ints& b) {
  Ints sum(a);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += b[i];
  return sum;
}

Window::Window(const Attributes& attributes)
    : strides_(attributes.get_ints("strides")),
      dilations_(attributes.get_ints("dilations")),
      pads_(attributes.get_ints("pads")),
      auto_pad_(parse_auto_pad(attributes.get_string("auto_pad", "NOTSET"))),
      ceil_mode_(attributes.get_int("ceil_mode", 0) != 0) {
  require_within(strides_, 1, "strides");
  require_within(dilations_, 1, "dilations");
  require_within(pads_, 0, "pads");
}

WindowPlacement Window::place(const Ints& input, const Ints& kernel) const {
  const size_t rank = input.size();
  if (kernel.size() != rank) {
    throw ModelError("the kernel is " + join(kernel) + " but the input has " + std::to_string(rank) +
                     " spatial axes; expected one number an axis");
  }
  require_within(input, 0, "the size of the input");
  require_within(kernel, 0, "the kernel");
  require_rank(strides_, rank, "strides");
  require_rank(dilations_, rank, "dilations");
  require_rank(pads_, 2 * rank, "pads");
  WindowPlacement placement{Ints(rank), Ints(rank), Ints(rank), Ints(rank)};
  for (size_t axis = 0; axis < rank; ++axis) place_axis(placement, axis, input[axis], kernel[axis]);
  return placement;
}

void Window::place_axis(WindowPlacement& placement, size_t axis, int64_t input, int64_t kernel) const {
  const int64_t stride = strides_.empty() ? 1 : strides_[axis];
  const int64_t extent = (kernel - 1) * (dilations_.empty() ? 1 : dilations_[axis]) + 1;
  int64_t begin = 0, end = 0;
  if (auto_pad_ == AutoPad::same_upper || auto_pad_ == AutoPad::same_lower) {
    const int64_t total = std::max<int64_t>(0, (ceil_div(input, stride) - 1) * stride + extent - input);
    begin = auto_pad_ == AutoPad::same_upper ? total / 2 : total - total / 2;
    end = total - begin;
  } else if (auto_pad_ == AutoPad::notset && !pads_.empty()) {
    begin = pads_[axis];
    end = pads_[axis + pads_.size() / 2];
  }

  const int64_t slack = input + begin + end - extent;
  int64_t output = floor_div(slack, stride) + 1;
  if (ceil_mode_ && auto_pad_ == AutoPad::notset) {
    output = ceil_div(slack, stride) + 1;
    if ((output - 1) * stride >= input + begin) --output;
  }
  if (output < 1) {
    throw ModelError("a window of " + std::to_string(extent) + " does not fit into spatial axis " +
                     std::to_string(axis) + " of size " + std::to_string(input) + " with padding " +
                     std::to_string(begin) + "+" + std::to_string(end) + "; feed a larger input");
  }
  placement.output[axis] = output;
  placement.begin[axis] = begin;
  placement.end[axis] = end;
  placement.overhang[axis] = std::max<int64_t>(0, (output - 1) * stride - slack);
}

std::string Window::describe() const {
  std::string text;
  if (!strides_.empty()) add_word(text, "strides=" + join(strides_));
  if (std::any_of(dilations_.begin(), dilations_.end(), [](int64_t d) { return d != 1; })) {
    add_word(text, "dilations=" + join(dilations_));
  }
  if (std::any_of(pads_.begin(), pads_.end(), [](int64_t p) { return p != 0; })) {
    add_word(text, "pads=" + join(pads_));
  }
  if (auto_pad_ == AutoPad::same_upper) add_word(text, "auto_pad=SAME_UPPER");
  if (auto_pad_ == AutoPad::same_lower) add_word(text, "auto_pad=SAME_LOWER");
  if (ceil_mode_) add_word(text, "ceil_mode");
  return text;
}

Locality Window::locality(const Ints& input, const Ints& kernel) const {
  const Ints spatial(input.begin() + 2, input.end());
  const WindowPlacement placement = place(spatial, kernel);
  const Ints strides = this->strides(kernel.size()), dilations = this->dilations(kernel.size());
  Locality locality = Locality::everything(input.size());
  locality.axes[0] = AxisReach::same(0);
  for (size_t i = 0; i < kernel.size(); ++i)
    locality.axes[i + 2] = {static_cast<int64_t>(i) + 2, strides[i], 1, -placement.begin[i],
                            -placement.begin[i] + (kernel[i] - 1) * dilations[i]};
  return locality;
}

Ints spatial_sizes(const Tensor& x, const std::string& op) {
  if (x.dim() < 3 || x.dim() > 5) {
    throw ModelError(op + " got an input of rank " + std::to_string(x.dim()) +
                     "; expected [N,C] and one to three spatial axes");
  }
  return x.sizes().slice(2).vec();
}

Ints aten_padding(const Ints& begin, const Ints& end) {
  Ints padding;
  for (size_t axis = begin.size(); axis-- > 0;) {
    padding.push_back(begin[axis]);
    padding.push_back(end[axis]);
  }
  return padding;
}

}  // namespace vitrail
