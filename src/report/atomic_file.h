#pragma once

// A file that appears under its name only when it is whole: written under a temporary name in the same
// folder, flushed to the disk, then renamed. Whatever goes wrong on the way throws MachineError naming
// the path, and no part of it stays.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vitrail {

class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();  ///< discards what was not committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Gives the file its name, replacing a former one.
  void commit();

  /// Gives the file its name where no other has it yet; else it is discarded. Of several processes one succeeds.
  bool commit_if_first();

 private:
  void discard() noexcept;
  [[noreturn]] void fail(const std::string& action, int error);

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// Removes what processes of this machine that are no more left in `folder`. Not while this process writes there.
void remove_stale_parts(const std::filesystem::path& folder);

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace vitrail
