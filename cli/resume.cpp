#include "resume.h"

#include <map>

#include "base/text.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

std::string count_photos(int64_t count) { return std::to_string(count) + (count == 1 ? " photo" : " photos"); }

}  // namespace

std::vector<Task> tasks_of(const std::vector<Photo>& photos, const Shard& shard) {
  std::vector<fs::path> paths;
  for (const Photo& photo : photos) paths.push_back(photo.path);
  const std::vector<std::string> names = folder_names(paths);
  std::vector<Task> tasks;
  for (size_t i = 0; i < photos.size(); ++i)
    if (shard.holds(i)) tasks.push_back({photos[i], names[i], {}});
  return tasks;
}

void find_former_results(std::vector<Task>& tasks, const fs::path& out, const Model& model, const RunRecord& run) {
  for (Task& task : tasks)
    if (task.photo.problem.empty()) task.former = find_former_result(out / task.folder, task.photo.path, model, run);
}

std::vector<std::string> describe_former_results(const std::vector<Task>& tasks) {
  int64_t kept = 0;
  std::map<std::string, int64_t> again;
  for (const Task& task : tasks) {
    if (task.former.result) ++kept;
    if (!task.former.differences.empty()) ++again[join(task.former.differences, "; ")];
  }
  std::vector<std::string> notes;
  if (kept > 0)
    notes.push_back(count_photos(kept) + " of " + std::to_string(tasks.size()) +
                    " have their results from an earlier run and are kept (--force computes them again)");
  for (const auto& [reason, count] : again)
    notes.push_back("the former results of " + count_photos(count) + " are replaced: " + reason);
  return notes;
}

std::optional<RunRecord> first_former_plan(const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    if (!task.former.result) continue;
    const auto engine = task.former.result->run.engine.find("engine");
    if (engine != task.former.result->run.engine.end() && engine->second == "plan") return task.former.result->run;
  }
  return std::nullopt;
}

}  // namespace vitrail::cli
