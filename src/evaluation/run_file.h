#pragma once

// run.json: what a folder of results was asked for, written once before the first of them.

#include <filesystem>
#include <optional>
#include <string>

namespace vitrail {

/// Its text, where there is one. Its path: for messages.
std::optional<std::string> read_run_file(const std::filesystem::path& folder);
std::filesystem::path run_file(const std::filesystem::path& folder);

/// Writes it where there is none yet, and gives what is there then: of several processes that begin at once the first
/// decides.
std::string begin_run_file(const std::filesystem::path& folder, const std::string& text);

}  // namespace vitrail
