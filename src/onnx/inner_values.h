#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vitrail {

/// A file changed so that it also gives out inner values: what another runtime needs to be asked for them.
struct ModelWithInnerValues {
  std::string bytes;
  std::vector<std::string> values;  ///< of those asked for, the ones that the file's own nodes compute
};
ModelWithInnerValues give_out_inner_values(const std::filesystem::path& model, const std::vector<std::string>& values);

}  // namespace vitrail
