#pragma once

// The integral of the score's gradient on the straight path from a baseline to the input, as precise as the
// completeness gap asks.
//
//   phi = sum over neighbouring nodes a < b of (b - a) (m(a) + m(b)) / 2,    m(a) = (x - x0) dg/dx(x0 + a (x - x0))
//
// The score at the nodes, which the gradients give for nothing, says how wrong each interval is: its share of phi adds
// up to g(b) - g(a) less its own gap. Along real paths the gradient changes most near the baseline and hardly at all
// elsewhere, so after a first division into equal intervals the worst ones are halved, a few at a time, each node being
// used to the end. For a given gap that takes about half the gradients of a Gauss-Legendre rule of the right size
// (measured on MobileNet v1, baseline zero: 21 nodes for the gap of 50), and a rule whose nodes are doubled throws its
// first ones away.

#include <vitrail/method.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "attribution/run.h"

namespace vitrail {

struct PathRule {
  int64_t steps;      ///< equal intervals to begin with
  int64_t max_steps;  ///< intervals at most
  double tolerance;   ///< largest gap as a share of the score's rise

  int64_t first() const { return steps < max_steps ? steps : max_steps; }
};

/// Forwards and backwards at most: as if no target reached the tolerance.
Method::Cost cost_of(const PathRule& rule, int64_t targets);

/// Of one target.
struct PathIntegral {
  Tensor map;                       ///< float64 [H,W], summed over channels
  std::optional<double> gap, rise;  ///< sum of the map less the rise; none where the run was stopped before both ends
  std::optional<double> score;      ///< of the input
  int64_t nodes = 0;
};

/// One a target of the scorer. Stopped early, the intervals are those between the nodes done: the first ones are the
/// ends, then halves, quarters. Warns of gaps that stay too large.
std::vector<PathIntegral> integrate(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& baseline,
                                    const PathRule& rule);

/// Hands the run the input's scores, where they are known.
void set_scores(MethodRun& run, const std::vector<PathIntegral>& integrals);

}  // namespace vitrail
