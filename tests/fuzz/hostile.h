#pragma once

// What every target asks of the library: a file from a stranger is taken, or refused with one of vitrail's errors.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "vitrail/error.h"

namespace vitrail::testing {

/// An exception that leaves is a finding: a bug that vitrail noticed itself, or one that is none of its errors.
template <typename Call>
void taken_or_refused(const Call& call) {
  try {
    call();
  } catch (const InternalError&) {
    throw;
  } catch (const Error&) {
  }
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A folder of this process, below TMPDIR; whoever set that removes it.
inline std::filesystem::path own_folder() {
  const auto path = std::filesystem::temp_directory_path() / ("vitrail_fuzz_" + std::to_string(getpid()));
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace vitrail::testing
