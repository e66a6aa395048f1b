#pragma once

// Reading the inputs of an operator that describe shapes, axes and positions rather than data:
// typed members where the file makes them constants, read at run time otherwise.

#include <c10/core/Scalar.h>

#include <cstddef>
#include <optional>

#include "ops/attributes.h"
#include "ops/registry.h"

namespace vitrail {

/// More elements than this are no tensor of a vision model but a broken or hostile file.
inline constexpr int64_t kMostElements = int64_t{1} << 31;

/// For the operators whose files say how large the result is: throws ModelError where `shape` is none, or has
/// more than kMostElements elements.
void check_result_shape(const Ints& shape);

/// The integers in a tensor of any integer type and any rank up to one. Throws ModelError for others.
Ints to_ints(const Tensor& tensor);

/// The numbers in a tensor of any type and any rank up to one.
Floats to_floats(const Tensor& tensor);

/// The one number in a tensor, exact in its own type. Throws ModelError where it has none or several.
at::Scalar to_scalar(const Tensor& tensor);

/// An axis counted from the end when negative; throws ModelError when it is not in [-rank, rank).
int64_t normalize_axis(int64_t axis, int64_t rank);

/// A list of integers that comes from input `index`: known when the operator is made if the input
/// is a constant, else read at each run; absent when the input is.
class IntsArgument {
 public:
  IntsArgument(const OperatorSpec& spec, size_t index);
  bool present() const { return present_; }
  const std::optional<Ints>& constant() const { return constant_; }
  /// The integers of this run, or nothing where the input is absent.
  std::optional<Ints> get(const Tensors& in) const;
  /// The one integer of this run. Throws ModelError where there is none or several.
  int64_t number(const Tensors& in) const;

 private:
  size_t index_;
  bool present_;
  std::optional<Ints> constant_;
};

/// Moves an index or a mask to where the data is (integer constants live on the CPU).
Tensor beside(const Tensor& index, const Tensor& data);

/// ATen has hardly a kernel for unsigned integers beyond 8 bits: such tensors as int64 (exact below 2^63),
/// others as they are.
Tensor computable(const Tensor& tensor);

/// "2,2": a list for describe().
std::string join(const Ints& values);

}  // namespace vitrail
