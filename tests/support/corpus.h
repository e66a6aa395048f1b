#pragma once

#include <cstdlib>
#include <filesystem>

namespace vitrail::testing {

/// The folder of real models and photos: what VITRAIL_CORPUS names, or else beside the checkout. It may not be there.
inline std::filesystem::path corpus() {
  const char* named = std::getenv("VITRAIL_CORPUS");
  return named ? named : VITRAIL_SOURCE_DIR "/../shared/corpus";
}

}  // namespace vitrail::testing
