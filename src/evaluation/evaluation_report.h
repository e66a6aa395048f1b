#pragma once

// An evaluation for programs (JSON) and for people (one HTML file without outside references).

#include <vitrail/evaluate.h>

#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/evaluation_run.h"

namespace vitrail {

/// Format "vitrail-evaluation", version 1 (docs/evaluation.md).
std::string evaluation_to_json(const Evaluation& evaluation, const EvaluationRun& run);

/// Writes evaluation.json and report.html into `folder` and returns the latter's path. `examples`: HTML of the photos
/// that are shown (html_examples), or why none are.
std::filesystem::path write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation,
                                       const EvaluationRun& run, const std::string& examples);

/// The photos on which the methods differ most and least from a good explanation: maps of every method on the best and
/// the worst photos of the first metric that asks for scores. Explains them again.
std::string html_examples(const EvaluationRun& run, const std::vector<PhotoEvaluation>& photos, const Model& model,
                          const Methods& methods, const Metrics& metrics, const Execution& execution);

}  // namespace vitrail
