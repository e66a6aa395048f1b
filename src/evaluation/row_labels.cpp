#include "evaluation/row_labels.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace vitrail {

namespace {

/// "name", "key=value", "key=value" ...
std::vector<std::string> pieces_of(std::string canonical) {
  if (const size_t colon = canonical.find(':'); colon != std::string::npos) canonical[colon] = ',';
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin <= canonical.size();) {
    const size_t end = std::min(canonical.find(',', begin), canonical.size());
    pieces.push_back(canonical.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

}  // namespace

RowLabels::RowLabels(const std::vector<std::string>& canonical) {
  std::map<std::string, size_t> namesakes;                    // by name
  std::map<std::string, std::map<std::string, size_t>> uses;  // of a piece, by name
  for (const std::string& text : std::set<std::string>(canonical.begin(), canonical.end())) {
    const auto pieces = pieces_of(text);
    ++namesakes[pieces[0]];
    for (const std::string& piece : std::set<std::string>(pieces.begin() + 1, pieces.end())) ++uses[pieces[0]][piece];
  }
  for (const std::string& text : canonical) {
    const auto pieces = pieces_of(text);
    std::vector<std::string> own;
    for (size_t i = 1; i < pieces.size(); ++i)
      if (uses[pieces[0]][pieces[i]] < namesakes[pieces[0]]) own.push_back(pieces[i]);
    labels_[text] = pieces[0] + (own.empty() ? "" : ":" + join(own, ","));
  }
}

}  // namespace vitrail
