#pragma once

// The record that goes with a model: preprocessing, output kind, labels (docs: preprocessing record).
// It stands in the ONNX metadata, in a sidecar NAME.json beside NAME.onnx, or in a file of the caller's.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "vitrail/preprocess.h"

namespace vitrail {

struct ModelRecord {
  std::optional<Preprocess> preprocess;
  std::string output_kind;          ///< "logits", "probabilities", ...; empty where not said
  std::string output;               ///< all that is said of the output, as JSON text; empty where nothing is
  std::vector<std::string> labels;  ///< one a class
  std::string source;               ///< "sidecar m.json", for people
};

/// Reads a record; label files are looked up relative to it. Throws UsageError naming the key that is wrong.
ModelRecord read_record(const std::filesystem::path& path);

/// NAME.json beside NAME.onnx, if it is there.
std::optional<ModelRecord> read_sidecar(const std::filesystem::path& model);

/// One class a line.
std::vector<std::string> split_labels(const std::string& text);

}  // namespace vitrail
