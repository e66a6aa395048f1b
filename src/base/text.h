#pragma once

// Words for error messages.

#include <string>
#include <vector>

namespace vitrail {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`, no letter touched twice.
size_t edit_distance(const std::string& a, const std::string& b);

/// The `count` words of `known` nearest to `word`, nearest first; only those that a slip of the
/// keyboard explains (at most a third of the letters, at least one), or that contain it or are part of it.
std::vector<std::string> nearest_words(const std::string& word, const std::vector<std::string>& known,
                                       size_t count = 1);

/// "Known: grid, seed. Did you mean "grid"?" for the end of an error message; without the question where
/// nothing is near. Of a long list only the nearest words are named.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

/// "a, b, c".
std::string join(const std::vector<std::string>& words, const std::string& separator = ", ");

}  // namespace vitrail
