#include "plan/local_record.h"

#include <set>
#include <sstream>

#include "base/text.h"

namespace vitrail {

std::string join_local_records(const std::vector<std::string>& records) {
  std::set<std::string> words;
  for (const std::string& record : records) {
    std::istringstream text(record);
    for (std::string word; text >> word;) words.insert(word);
  }
  if (words.contains("none")) return "none";
  return words.empty() ? "auto" : join({words.begin(), words.end()}, " ");
}

}  // namespace vitrail
