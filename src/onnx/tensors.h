#pragma once

// TensorProto to ATen, with the checks that untrusted files need.

#include <onnx-ml.pb.h>

#include <filesystem>
#include <optional>

#include "onnx/reader.h"

namespace vitrail {

/// The ATen type of an ONNX element type; throws ModelError, naming `what`, for those that are no ordinary tensor
/// types.
at::ScalarType scalar_type_of(int onnx_type, const std::string& what);

/// Reads tensors of one file; adds up their bytes against the limit.
class TensorReader {
 public:
  /// `folder`: where external data lies; nothing for models in memory, which may have none.
  TensorReader(std::optional<std::filesystem::path> folder, const ReadLimits& limits)
      : folder_(std::move(folder)), limits_(limits) {}

  Tensor read(const onnx::TensorProto& proto, const std::string& name);

 private:
  struct ExternalBytes {
    std::filesystem::path path;
    int64_t offset;
    std::string what;  ///< for messages
    void read(char* to, int64_t length) const;
  };

  ExternalBytes locate(const onnx::TensorProto& proto, const std::string& name, int64_t expected) const;
  std::filesystem::path inside_folder(const std::string& location, const std::string& what) const;

  std::optional<std::filesystem::path> folder_;
  ReadLimits limits_;
  int64_t total_bytes_ = 0;
};

}  // namespace vitrail
