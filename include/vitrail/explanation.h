#pragma once

// The result of one method on one input for one target: a map and everything needed to read it.

#include <vitrail/target.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct Explanation {
  std::string method;  ///< canonical method string; parses back to the same method
  std::string name;    ///< "sobol"
  Target target;

  Tensor map;             ///< float32 [H,W], at the model's input size
  Tensor cells;           ///< float32, native values before upsampling (grid, layer); else undefined
  Tensor standard_error;  ///< float32 [H,W], where the method samples; else undefined

  std::map<std::string, Tensor> extras;  ///< further native values from the same samples, by name; float32

  bool is_signed = true;  ///< false: importance without direction (Sobol)
  std::string unit;       ///< of a map value: "logit", "share of variance", "logit per input unit", ...
  double score = 0;       ///< of the target on the input itself, in the target's unit
  int64_t forwards = 0;   ///< samples sent through the model for the map (shared by the targets of one run)
  int64_t backwards = 0;
  double seconds = 0;
  uint64_t seed = 0;
  std::string baseline;                     ///< what replaced hidden input; empty where nothing was hidden
  std::optional<double> completeness_gap;   ///< sum of the map - (score - score of the baseline), where defined
  bool partial = false;                     ///< stopped early by a budget or a cancellation
  std::map<std::string, std::string> plan;  ///< choices made on the way: layer, batch, steps used
  std::vector<std::string> warnings;

  /// A few lines for people: method, target, score, cost, error, warnings.
  std::string summary() const;
};

}  // namespace vitrail
