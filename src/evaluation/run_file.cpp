#include "evaluation/run_file.h"

#include <fstream>
#include <iterator>

#include "report/atomic_file.h"

namespace vitrail {

namespace fs = std::filesystem;

fs::path run_file(const fs::path& folder) { return folder / "run.json"; }

std::optional<std::string> read_run_file(const fs::path& folder) {
  std::ifstream file(run_file(folder), std::ios::binary);
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::string begin_run_file(const fs::path& folder, const std::string& text) {
  AtomicFile file(run_file(folder));
  file.write(text);
  return file.commit_if_first() ? text : read_run_file(folder).value();
}

}  // namespace vitrail
