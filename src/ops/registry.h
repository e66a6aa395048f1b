#pragma once

// From a node to its operator. The families register themselves in one list, so that what is
// covered can be listed, and so that nothing depends on the order of static initialisation.

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/attributes.h"
#include "ops/operator.h"

namespace vitrail {

/// All that an operator may know when it is made.
struct OperatorSpec {
  const NodeSpec& node;
  /// One an input of the node: its value where it is a constant, else undefined. Operators turn
  /// constant shapes, axes, pads and the like into typed members; `forward` then need not look.
  Tensors constants;

  const Attributes& attributes() const { return node.attributes; }
  size_t inputs() const { return node.inputs.size(); }
  size_t outputs() const { return node.outputs.size(); }
  bool has_input(size_t i) const { return i < node.inputs.size() && !node.inputs[i].empty(); }
  /// The constant value of input i, if it has one.
  Tensor constant(size_t i) const { return i < constants.size() ? constants[i] : Tensor(); }
};

using OperatorFactory = std::function<std::unique_ptr<Operator>(const OperatorSpec&)>;

class OperatorRegistry {
 public:
  /// Every operator of vitrail.
  static const OperatorRegistry& all();

  /// Required inputs of an operator that takes any number: as many as the node lists, at least one.
  static constexpr size_t all_inputs = std::numeric_limits<size_t>::max();

  /// `required_inputs`: how many the schema asks for, in front of the optional ones; operators read these
  /// without looking.
  void add(const std::string& op_type, OperatorFactory factory, size_t required_inputs = 1);

  /// Makes the operator of a node. Throws ModelError (unknown operator, bad attribute) naming the node.
  std::unique_ptr<Operator> make(const OperatorSpec& spec) const;
  bool has(const std::string& op_type, const std::string& domain = "") const;
  std::vector<std::string> names() const;

 private:
  struct Entry {
    OperatorFactory make;
    size_t required_inputs;
  };
  std::map<std::string, Entry> entries_;
};

/// An operator class as a factory: `registry.add("Conv", make_operator<Conv>)`.
template <typename T>
std::unique_ptr<Operator> make_operator(const OperatorSpec& spec) {
  return std::make_unique<T>(spec);
}

// One a family (file); called by OperatorRegistry::all().
void register_elementwise(OperatorRegistry& registry);    // elementwise.cpp: tables of unary and binary operators
void register_activations(OperatorRegistry& registry);    // activations.cpp: Relu, Clip, Gelu, ... (ReLU rules)
void register_logic(OperatorRegistry& registry);          // logic.cpp: comparisons, And, Or, Not, Where
void register_reductions(OperatorRegistry& registry);     // reductions.cpp: Reduce*, ArgMax, ArgMin, TopK, CumSum
void register_convolution(OperatorRegistry& registry);    // convolution.cpp: Conv, ConvTranspose
void register_pooling(OperatorRegistry& registry);        // pooling.cpp: MaxPool, AveragePool, Global*
void register_linear(OperatorRegistry& registry);         // linear.cpp: Gemm, MatMul, Einsum
void register_normalization(OperatorRegistry& registry);  // normalization.cpp: Batch, Layer, Instance, Group
void register_attention(OperatorRegistry& registry);      // attention.cpp: Softmax, LogSoftmax, Attention
void register_resize(OperatorRegistry& registry);         // resize.cpp: Resize
void register_shape(OperatorRegistry& registry);          // shape.cpp: Reshape, Flatten, Transpose, Expand, ...
void register_indexing(OperatorRegistry& registry);       // indexing.cpp: Slice, Gather*, ScatterND, Split, Concat, ...
void register_selection(OperatorRegistry& registry);      // selection.cpp: OneHot, NonZero, ScatterElements, Trilu, ...
void register_sampling(OperatorRegistry& registry);       // sampling.cpp: GridSample, AffineGrid, RoiAlign, Col2Im
void register_quantization(OperatorRegistry& registry);   // quantization.cpp: QuantizeLinear, DequantizeLinear, ...
void register_creation(OperatorRegistry& registry);       // creation.cpp: Constant, ConstantOfShape, Range, Cast, ...

}  // namespace vitrail
