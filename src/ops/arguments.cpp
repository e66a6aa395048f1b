#include "ops/arguments.h"

#include "vitrail/error.h"

namespace vitrail {
namespace {

Tensor flat(const Tensor& tensor, at::ScalarType type) {
  if (tensor.dim() > 1 && tensor.numel() != 1)  // [[3]] is a number to exporters
    throw ModelError("an input that should be a number or a list has " + std::to_string(tensor.dim()) + " dimensions.");
  return tensor.detach().to(at::kCPU, type).contiguous().flatten();
}

}  // namespace

Ints to_ints(const Tensor& tensor) {
  if (!at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false))
    throw ModelError(std::string("an input that should be integers has the type ") +
                     at::toString(tensor.scalar_type()) + ".");
  const Tensor values = flat(tensor, at::kLong);
  return Ints(values.data_ptr<int64_t>(), values.data_ptr<int64_t>() + values.numel());
}

Floats to_floats(const Tensor& tensor) {
  const Tensor values = flat(tensor, at::kDouble);
  return Floats(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
}

at::Scalar to_scalar(const Tensor& tensor) {
  if (tensor.numel() != 1)
    throw ModelError("an input that should be one number has " + std::to_string(tensor.numel()) + " values.");
  return tensor.item();
}

void check_result_shape(const Ints& shape) {
  int64_t elements = 1, apart_from_zeros = 1;  // strides are computed from the latter
  for (int64_t size : shape) {
    if (size < 0 || (size > 0 && (elements > kMostElements / size || apart_from_zeros > INT64_MAX / size)))
      throw ModelError("the result would have the shape [" + join(shape) + "]; expected sizes from 0 up and at most " +
                       std::to_string(kMostElements) + " elements.");
    elements *= size;
    apart_from_zeros *= std::max<int64_t>(size, 1);
  }
}

int64_t normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    throw ModelError("the axis " + std::to_string(axis) + " is outside a tensor of " + std::to_string(rank) +
                     " dimensions.");
  return axis < 0 ? axis + rank : axis;
}

IntsArgument::IntsArgument(const OperatorSpec& spec, size_t index) : index_(index), present_(spec.has_input(index)) {
  if (present_ && spec.constant(index).defined()) constant_ = to_ints(spec.constant(index));
}

std::optional<Ints> IntsArgument::get(const Tensors& in) const {
  if (!present_) return std::nullopt;
  return constant_ ? *constant_ : to_ints(in.at(index_));
}

int64_t IntsArgument::number(const Tensors& in) const {
  const Ints values = get(in).value_or(Ints());
  if (values.size() != 1)
    throw ModelError("an input that should be one integer has " + std::to_string(values.size()) + " values.");
  return values[0];
}

Tensor beside(const Tensor& index, const Tensor& data) { return index.to(data.device()); }

Tensor computable(const Tensor& tensor) {
  const at::ScalarType type = tensor.scalar_type();
  const bool wide = type == at::kUInt16 || type == at::kUInt32 || type == at::kUInt64;
  return wide ? tensor.to(at::kLong) : tensor;
}

std::string join(const Ints& values) {
  std::string text;
  for (int64_t value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text;
}

}  // namespace vitrail
