#pragma once

#include <vector>

#include "plan/fuse.h"
#include "plan/plan_impl.h"
#include "plan/step.h"

namespace vitrail {

/// Slots for the values that the steps use, steps bound to them: fills a plan's `steps`, `bound`, `constants`,
/// `values`, `input` and `outputs`. `input` and `outputs` are the graph's numbers of values.
void bind_steps(Plan::Impl& plan, const Graph::Impl& graph, std::vector<DraftStep> drafts, int input,
                const std::vector<int>& outputs, const StepOptions& options);

}  // namespace vitrail
