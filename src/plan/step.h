#pragma once

// One computation of a plan.

#include <memory>
#include <string>

#include "ops/operator.h"
#include "plan/fuse.h"

namespace vitrail {

class Step {
 public:
  virtual ~Step() = default;

  /// As Operator::forward; but a value that nobody needs afterwards and nobody else holds may be overwritten.
  /// Such values are given away: the step's own `in` is their only owner.
  virtual Tensors run(Tensors& in, const RunContext& context) const = 0;

  /// How it is computed, for people.
  virtual std::string details() const = 0;

  /// Where output `output`, of sizes `out`, looks at an input: as Operator::locality.
  virtual Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const = 0;

  /// The step for inputs in which all that it would pad is there: `fill` is what to put there. Null where padding is
  /// not what keeps it from working on parts.
  virtual std::unique_ptr<Step> without_padding(double& fill) const { return nullptr; }

  /// Of what it holds besides the graph's constants.
  virtual int64_t bytes() const { return 0; }
};

struct StepOptions {
  at::ScalarType precision = at::kFloat;
  bool direct = true;       ///< layers by DirectLayer, on the CPU
  bool gradients = false;   ///< runs may record gradients; of DirectLayers in float32 only
  int64_t batch = 1;        ///< samples that weights are packed for
  int64_t small_layer = 0;  ///< as in PlanOptions; both for libtorch's operators only
};

std::unique_ptr<Step> make_step(const DraftStep& draft, const Graph::Impl& graph, const StepOptions& options);

}  // namespace vitrail
