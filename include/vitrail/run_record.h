#pragma once

// What a run was asked for, beside the model and the photo: recorded in every result.json under "run", so that
// the result can be computed again (vitrail/reproduce.h) and a run that was killed can go on (vitrail/saved_result.h).

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vitrail {

struct RunRecord {
  std::vector<std::string> methods;           ///< canonical method strings, which hold the seeds
  std::vector<std::string> targets;           ///< as written
  std::string plan = "auto";                  ///< asked for: auto, "auto bf16", none or file
  std::map<std::string, std::string> engine;  ///< what computed the scores: Scorer::engine()
  std::string budget;                         ///< "2000forwards", "30s"; empty: none
  int64_t batch = 8;
  int64_t threads = 0;  ///< of the arithmetic; rounding depends on it
  std::string device = "cpu";
  std::string output;               ///< which output of the model; empty: its only one
  std::vector<int64_t> input_size;  ///< {height, width} where it was fixed by the caller
  bool exif = false;                ///< photos were turned as their EXIF orientation says
  std::string directory;            ///< that relative paths of the result start from
};

/// One of n parts of the photos of a run: the photos number i, i + n, i + 2n ...
struct Shard {
  int64_t number = 1, of = 1;
  /// "2/8"; UsageError for another form.
  static Shard parse(const std::string& text);
  /// Whether the photo at this place of the list, from 0, is in it.
  bool holds(size_t place) const { return static_cast<int64_t>(place) % of == number - 1; }
};

/// In words, what of two runs gives different maps, empty where nothing does: "methods (rise:..., now sobol:...)".
/// The batch, the threads and the budget are left out: complete results do not depend on them beyond rounding.
std::vector<std::string> differences_of_runs(const RunRecord& former, const RunRecord& now);

}  // namespace vitrail
