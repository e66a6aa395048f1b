#pragma once

// What may come next on a command line: asked by the scripts that `vitrail completion SHELL` prints.

#include <vitrail/complete.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vitrail::cli {

struct Completion {
  enum class Files { none, files, folders };
  std::string word;           ///< that is being completed, as the program sees it
  Files files = Files::none;  ///< the shell offers these too
  std::vector<Candidate> candidates;
};

/// `words`: the command line up to the cursor, the program's name first, the word to be completed last (it may be
/// empty). Layers and labels are those of the model that is named on the line. Never throws: what is not known has no
/// candidates.
Completion complete(const CLI::App& app, const std::vector<std::string>& words);

/// A line as a shell takes it apart: at blanks, with quotes and backslashes. The last word may be unfinished or empty.
std::vector<std::string> split_line(const std::string& line);

extern const char* const kBashCompletion;
extern const char* const kZshCompletion;
extern const char* const kFishCompletion;

}  // namespace vitrail::cli
