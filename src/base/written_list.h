#pragma once

// Lists of names with options as people write them: "sobol:grid=8,designs=16,rise:masks=2000,saliency". A piece
// `key=value` continues the name before it.

#include <string>
#include <utility>
#include <vector>

namespace vitrail {

/// Options as written: keys and values in order.
using Settings = std::vector<std::pair<std::string, std::string>>;

struct WrittenItem {
  std::string name;
  Settings settings;
};

/// How the items of a list are called in error messages.
struct WrittenKind {
  std::string noun;     ///< "method"
  std::string example;  ///< "sobol:grid=8"
};

/// UsageErrors for a list that begins with an option and for options without a value. Names are not looked at.
std::vector<WrittenItem> read_written_list(const std::string& text, const WrittenKind& kind);

/// Whether one of the items is the word "all".
bool says_all(const std::vector<WrittenItem>& items);

/// In place of "all" the `names` that the list does not have. UsageError where it is said twice or has options. Items
/// go by their first names: replace aliases before.
std::vector<WrittenItem> with_all(std::vector<WrittenItem> items, const std::vector<std::string>& names,
                                  const WrittenKind& kind);

bool has_key(const Settings& settings, const std::string& key);

}  // namespace vitrail
