#pragma once

// The photos of a run as tasks: which are part of this shard, where their results go, and which are done already.

#include <vitrail/saved_result.h>

#include <optional>
#include <string>
#include <vector>

#include "arguments.h"

namespace vitrail::cli {

struct Task {
  Photo photo;
  std::string folder;   ///< inside the output; the same whatever the shard
  FormerResult former;  ///< its result is kept where it has one

  bool is_open() const { return photo.problem.empty() && !former.result; }
};

std::vector<Task> tasks_of(const std::vector<Photo>& photos, const Shard& shard);

/// Looks for results of the same run in `out`.
void find_former_results(std::vector<Task>& tasks, const std::filesystem::path& out, const Model& model,
                         const RunRecord& run);

/// How many results are kept, and for which reasons others are computed again.
std::vector<std::string> describe_former_results(const std::vector<Task>& tasks);

/// The run of the first kept result that scored by a plan.
std::optional<RunRecord> first_former_plan(const std::vector<Task>& tasks);

}  // namespace vitrail::cli
