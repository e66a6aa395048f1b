#pragma once

// What an evaluation was asked for, and what computes it: run.json in its folder, written once before the first score.
// Scores of one run can be added to those of another only where nothing that decides them differs.

#include <vitrail/run_record.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct EvaluationRun {
  std::string model_path, model_sha256;
  std::string preprocess;            ///< the record, JSON
  RunRecord run;                     ///< methods, the target, plan, device, output, input size, orientation, directory
  std::vector<std::string> metrics;  ///< canonical
  std::string masks, boxes, human_maps;  ///< where evidence comes from, as given; empty: none
  double fixation_sigma = 0;             ///< of human maps that are fixations; else 0
  int64_t repeats = 1;                   ///< of every method that draws numbers
  std::vector<std::string> photos;       ///< all of them, of every shard

  std::string to_json() const;
  /// InputError, naming `where`, for another form.
  static EvaluationRun from_json(const std::string& text, const std::string& where);
};

/// In words, why scores of one run do not belong to the other; empty where they do.
std::vector<std::string> differences_of_evaluations(const EvaluationRun& former, const EvaluationRun& now);

/// run.json of `folder`, where there is one.
std::optional<EvaluationRun> read_evaluation_run(const std::filesystem::path& folder);

/// Writes run.json where there is none yet, and gives what is there then: of several processes that begin at once the
/// first decides.
EvaluationRun begin_evaluation(const std::filesystem::path& folder, const EvaluationRun& run);

}  // namespace vitrail
