#pragma once

// Reads ONNX files. They come from strangers: sizes, counts and depth are limited, dimensions are
// checked for overflow before anything is allocated, external data must lie inside the model's
// folder (no absolute path, no "..", no link that leads outside). Every failure is a ModelError, or a
// MachineError where the file is there and the disk does not give it, that says what was found and what to do.

#include <filesystem>
#include <span>
#include <string>

#include "onnx/onnx_model.h"

namespace vitrail {

struct ReadLimits {
  int64_t max_file_bytes = int64_t{2} << 30;     ///< protobuf's own limit
  int64_t max_tensor_bytes = int64_t{16} << 30;  ///< of all tensors together, external data included
  int64_t max_nodes = 1'000'000;
  int64_t max_tensors = 1'000'000;
  int max_depth = 64;  ///< nesting of messages: subgraphs, functions
};

/// Reads a file, resolves external data beside it, and lifts every node to the newest schema.
OnnxModel read_onnx(const std::filesystem::path& path, const ReadLimits& limits = {});

/// The same for bytes in memory; external data is refused.
OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& name, const ReadLimits& limits = {});

/// One tensor message (TensorProto bytes): for the conformance cases and tests.
Tensor read_onnx_tensor(std::span<const std::byte> bytes, const std::string& name);

}  // namespace vitrail
