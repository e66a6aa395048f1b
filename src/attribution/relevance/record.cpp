#include "attribution/relevance/record.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace vitrail {

namespace {

std::string some_of(const std::vector<std::string>& nodes) {
  constexpr size_t named = 8;
  const std::vector<std::string> shown(nodes.begin(),
                                       nodes.begin() + static_cast<int64_t>(std::min(named, nodes.size())));
  return join(shown) + (nodes.size() > named ? " and " + std::to_string(nodes.size() - named) + " more" : "");
}

}  // namespace

void record_rules(Explanation& result, const WalkResult& walk) {
  std::vector<std::string> words;
  for (const auto& [rule, count] : walk.rules) words.push_back(rule + " " + std::to_string(count));
  result.plan["rules"] = join(words);
  if (!walk.by_default.empty()) result.plan["default_rule"] = some_of(walk.by_default);
}

}  // namespace vitrail
