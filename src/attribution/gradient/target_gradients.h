#pragma once

// Gradients of several targets from one forward.

#include <vitrail/reducer.h>
#include <vitrail/scorer.h>

#include <string>
#include <utility>
#include <vector>

#include "attribution/options.h"
#include "attribution/run.h"

namespace vitrail {

struct TargetGradients {
  Tensor scores;      ///< float64 [n,T]
  Tensors gradients;  ///< one [n,C,H,W] a target; undefined for targets not asked for
};

/// d score_t / d z for every target t, from scores [n,T] that carry a graph to `z`. Frees the graph.
TargetGradients gradients_of_scores(MethodRun& run, const Tensor& scores, const Tensor& z,
                                    const std::vector<bool>& wanted);

/// Scores `samples` [n,C,H,W] with one forward and differentiates with one backward a wanted target.
/// An empty `wanted` asks for every target.
TargetGradients target_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                                 const std::vector<bool>& wanted = {});

/// For methods that take one gradient of each input: inputs that are explained in one call share passes, a batch of
/// them each. The time of a pass is in the result of the first input that has a part in it.
class InputGradients {
 public:
  /// `inputs` [N,C,H,W]. A `rule` other than `plain` is the scorer's to refuse.
  InputGradients(const DifferentiableScorer& scorer, Tensor inputs, BackwardRule rule = BackwardRule::plain)
      : scorer_(scorer), inputs_(std::move(inputs)), rule_(rule) {}

  /// Of the run's input, the next of `inputs`: scores [T], one gradient [C,H,W] a target. Counts one forward and one
  /// backward a target.
  TargetGradients next(MethodRun& run);

 private:
  const DifferentiableScorer& scorer_;
  const Tensor inputs_;
  const BackwardRule rule_;
  TargetGradients batch_;  ///< of the last pass
  int64_t first_ = 0;      ///< input behind those
  int64_t taken_ = 0;      ///< of `batch_`
};

/// Warns of operators whose gradient is zero almost everywhere.
void warn_of_flat_operators(MethodRun& run, const DifferentiableScorer& scorer);

template <class Options>
Option<Options> reducer_option(Reducer Options::* field) {
  return choice("reducer", field, "how the channels of a pixel become one value",
                {{"min", Reducer::min}, {"mean", Reducer::mean}, {"max", Reducer::max}, {"sum", Reducer::sum}});
}

}  // namespace vitrail
