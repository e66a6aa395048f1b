#include "base/text.h"

#include <algorithm>
#include <numeric>

namespace vitrail {
namespace {

/// Whether a part that is long enough to mean something is within the whole.
bool contains(const std::string& whole, const std::string& part) {
  return part.size() >= 3 && whole.find(part) != std::string::npos;
}

}  // namespace

size_t edit_distance(const std::string& a, const std::string& b) {
  // distance[i][j]: of the first i letters of a to the first j of b.
  std::vector<std::vector<size_t>> distance(a.size() + 1, std::vector<size_t>(b.size() + 1));
  std::iota(distance[0].begin(), distance[0].end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    distance[i][0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      distance[i][j] = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, substituted});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
    }
  }
  return distance[a.size()][b.size()];
}

std::vector<std::string> nearest_words(const std::string& word, const std::vector<std::string>& known, size_t count) {
  const size_t slips = std::max<size_t>(1, (word.size() + 2) / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    const bool contained = contains(candidate, word) || contains(word, candidate);
    if (distance <= slips || contained) near.emplace_back(contained ? std::min(distance, slips) : distance, candidate);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> words;
  for (size_t i = 0; i < std::min(count, near.size()); ++i) words.push_back(near[i].second);
  return words;
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : separator) + words[i];
  return text;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  constexpr size_t long_list = 64;
  if (known.size() > long_list) {
    const auto near = nearest_words(word, known, 5);
    if (!near.empty()) return "Nearest of " + std::to_string(known.size()) + ": " + join(near) + ".";
    return "There are " + std::to_string(known.size()) + ", such as " + known.front() + " and " + known.back() + ".";
  }
  const auto near = nearest_words(word, known);
  return "Known: " + join(known) + "." + (near.empty() ? "" : " Did you mean \"" + near[0] + "\"?");
}

}  // namespace vitrail
