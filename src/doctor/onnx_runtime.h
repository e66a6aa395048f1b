#pragma once

// ONNX Runtime as a program beside: through a Python that has it.

#include <vitrail/tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct OnnxRuntimeRequest {
  std::string python;               ///< the interpreter
  std::filesystem::path model;      ///< external data lies beside it
  std::string input;                ///< its only input
  Tensor sample;                    ///< one batch of it
  std::vector<std::string> values;  ///< asked for, where the file's own nodes compute them
  std::vector<int64_t> batches;     ///< to be timed; those that it refuses are left out
  int64_t threads = 1;
};

struct OnnxRuntimeAnswer {
  std::string version;  ///< "onnxruntime 1.32.0"
  std::map<std::string, Tensor> values;
  std::map<int64_t, double> seconds;  ///< of one run at a batch
};

/// Empty where it cannot be had; `why` says so.
std::optional<OnnxRuntimeAnswer> ask_onnx_runtime(const OnnxRuntimeRequest& request, std::string& why);

}  // namespace vitrail
