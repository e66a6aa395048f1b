#pragma once

// Which values of a graph hold what a model gives, and how they become a ModelOutput.

#include <memory>
#include <string>
#include <vector>

#include "vitrail/graph.h"
#include "vitrail/output.h"

namespace vitrail {

class OutputReader {
 public:
  virtual ~OutputReader() = default;
  virtual OutputKind kind() const = 0;

  /// The values to fetch: before a trailing Softmax or Sigmoid where there is one.
  virtual std::vector<std::string> values() const = 0;

  /// From the values, which may be on any device; the result is on the CPU.
  virtual ModelOutput read(const Tensors& values, int64_t samples) const = 0;

  /// "[N,1000] logits", "yolov8 boxes": for people and for the record of a result.
  virtual std::string description() const = 0;

  /// Of boxes, what is reported.
  virtual SuppressionOptions suppression() const { return {}; }

  /// What a user should know.
  virtual std::vector<std::string> warnings() const { return {}; }
};

/// What is known of the outputs before they are looked at.
struct OutputRequest {
  std::string name;               ///< chosen by the user; empty: all
  std::string kind;               ///< of the record: "logits", "boxes", ...; empty: found from the shapes
  std::string record;             ///< the record's `output` object as JSON text; empty: none
  std::string where;              ///< the record's source
  int64_t height = 0, width = 0;  ///< of the model's input
};

/// Throws UsageError where it takes a choice, or where the record does not fit the outputs.
std::unique_ptr<OutputReader> make_output_reader(const Graph& graph, const OutputRequest& request);

/// K of a value [N,K] (or [N,K,1,1] and the like). Throws ModelError for another.
int64_t row_size(const ValueInfo& value);

}  // namespace vitrail
