#pragma once

// An operator of the graph: one class an ONNX operator, one file a family, one virtual function an
// interpretation. Attributes are parsed once, in the constructor, into typed members; operators are
// immutable afterwards, so one may run in several threads at once.
//
// Operators see one schema only, the newest ONNX one: `src/onnx/adapters` lifts older files to it.
// To add an operator: write the class in the file of its family, add a row to the family's
// `register_...` function, add rows to its tests. docs/HACKING.md walks through one.

#include <vitrail/backward_rule.h>
#include <vitrail/tensor.h>

#include <string>
#include <string_view>

#include "ops/locality.h"

namespace vitrail {

/// What a run hands to every operator.
struct RunContext {
  int64_t batch = 1;  ///< N of this run: symbolic shapes are evaluated with it
  BackwardRule backward_rule = BackwardRule::plain;
};

struct RelevanceCall;
struct Relevance;

class Operator {
 public:
  virtual ~Operator() = default;

  /// The ONNX name, e.g. "Conv".
  virtual std::string_view name() const = 0;

  /// Computes the outputs. Absent optional inputs are undefined tensors; so is an absent trailing
  /// input, up to the number given to the constructor (OperatorSpec::inputs). Differentiable by
  /// autograd where the mathematics is; never modifies its inputs. Integer inputs that describe
  /// shapes, axes or positions may be on the CPU while the data is on another device.
  virtual Tensors forward(const Tensors& in, const RunContext& context) const = 0;

  /// Sends what arrived at the outputs back to the inputs, by the rules of ops/relevance.h (LRP, DeepLIFT). Default:
  /// input times gradient, in proportion to the output.
  virtual Relevance relevance(const RelevanceCall& call) const;

  /// False where the gradient is zero almost everywhere (Sign, Round, ArgMax, comparisons, integer
  /// casts): gradient methods warn with the node's name when it lies on their path.
  virtual bool differentiable() const { return true; }

  /// The typed members for people, e.g. "strides=2,2 pads=0,0,1,1"; shown by `vitrail inspect`.
  virtual std::string describe() const { return {}; }

  /// Where output `output`, of sizes `out`, looks at input `input`; as a default anywhere. Of `in` constants are what
  /// they are, other inputs have their type and sizes but no values that mean anything.
  virtual Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const;
};

}  // namespace vitrail
