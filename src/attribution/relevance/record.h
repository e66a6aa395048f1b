#pragma once

// What a walk did, in words, for the plan of a result.

#include <vitrail/explanation.h>

#include "attribution/relevance/walk.h"

namespace vitrail {

/// plan["rules"], "flat 1, pass 17, zplus 18"; plan["default_rule"], nodes whose operator has no rule of its own.
void record_rules(Explanation& result, const WalkResult& walk);

}  // namespace vitrail
