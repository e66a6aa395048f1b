#pragma once

// A RunRecord as JSON, the same in every file that records a run.

#include <vitrail/run_record.h>

#include <nlohmann/json.hpp>

namespace vitrail {

nlohmann::ordered_json run_to_json(const RunRecord& run);

/// Files of versions that recorded no run give an empty one. Throws what nlohmann throws for another form.
RunRecord run_from_json(const nlohmann::json& json);

}  // namespace vitrail
