#pragma once

#include <string>
#include <vector>

namespace vitrail {

/// What several explanations recorded of local runs (LocalRuns::record(), "none", or nothing: "") as one
/// PlanOptions::incremental, to do them all again: "28x28:0 32x32:8"; "auto" where none says anything.
std::string join_local_records(const std::vector<std::string>& records);

}  // namespace vitrail
