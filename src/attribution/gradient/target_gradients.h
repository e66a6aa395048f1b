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
/// An empty `wanted` asks for every target. A `rule` other than `plain` is the scorer's to refuse.
TargetGradients target_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                                 const std::vector<bool>& wanted = {}, BackwardRule rule = BackwardRule::plain);

/// Warns of operators whose gradient is zero almost everywhere.
void warn_of_flat_operators(MethodRun& run, const DifferentiableScorer& scorer);

template <class Options>
Option<Options> reducer_option(Reducer Options::* field) {
  return choice("reducer", field, "how the channels of a pixel become one value",
                {{"min", Reducer::min}, {"mean", Reducer::mean}, {"max", Reducer::max}, {"sum", Reducer::sum}});
}

}  // namespace vitrail
