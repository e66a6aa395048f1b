#pragma once

// A result computed again from what it records, and what is different now.
//
//   const auto saved = vitrail::read_result("out/cat/result.json");
//   const auto again = vitrail::reproduce(saved);
//   if (!again.same()) for (const auto& map : again.maps) ...
//
// The model is loaded from the recorded path with the recorded preprocessing, output and input size, the photo from its
// own; methods, seeds, targets, batch and plan are those of the result. A method that was stopped early is stopped
// after as many forwards and backwards. The number of threads is the process's: where it is not the recorded one,
// rounding may differ, and `differences` says so.

#include <vitrail/execution.h>
#include <vitrail/saved_result.h>

#include <string>
#include <vector>

namespace vitrail {

struct ReproduceOptions {
  std::string model = {};   ///< where it is now; empty: where it was
  std::string image = {};   ///< likewise
  std::string device = {};  ///< empty: the recorded one
  double tolerance = 1e-5;  ///< of a map's range: what counts as the same (another machine rounds otherwise)
};

struct ReproducedMap {
  std::string method;         ///< canonical
  Target target;              ///< as recorded
  bool same_bytes = false;    ///< of the map's file
  double max_difference = 0;  ///< largest |now - recorded|
  double range = 0;           ///< of the recorded map
  bool same = false;          ///< max_difference <= tolerance x range
  std::string problem;        ///< why there is nothing to compare; empty where there is
};

struct Reproduction {
  std::vector<std::string> differences;  ///< of model, photo, version, plan, threads: sentences
  bool same_question = true;             ///< model and photo have the recorded content
  std::vector<ReproducedMap> maps;       ///< one a recorded explanation
  bool same() const;                     ///< the same question and every map the same
};

/// Throws ModelError and InputError where the model and the photo are not to be found, saying where they were looked
/// for. `execution`: listener and cancellation; its batch and budget are not looked at.
Reproduction reproduce(const SavedResult& saved, const ReproduceOptions& options = {}, const Execution& execution = {});

}  // namespace vitrail
