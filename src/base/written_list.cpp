#include "base/written_list.h"

#include <vitrail/error.h>

#include <algorithm>

namespace vitrail {

namespace {

const std::string kAll = "all";

bool is_all(const WrittenItem& item) { return item.name == kAll; }

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> pieces;
  size_t first = 0;
  for (size_t comma = 0; comma != std::string::npos; first = comma + 1) {
    comma = text.find(',', first);
    pieces.push_back(text.substr(first, comma == std::string::npos ? comma : comma - first));
  }
  return pieces;
}

/// True for "key=value": the piece continues the item before it.
bool is_setting(const std::string& piece) {
  const size_t equals = piece.find('=');
  return equals != std::string::npos && equals < piece.find(':');
}

void add_setting(WrittenItem& item, const std::string& piece, const WrittenKind& kind) {
  const size_t equals = piece.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(item.name + ": found \"" + piece + "\" where key=value was expected, as in \"" + kind.example +
                     "\".");
  item.settings.emplace_back(piece.substr(0, equals), piece.substr(equals + 1));
}

}  // namespace

std::vector<WrittenItem> read_written_list(const std::string& text, const WrittenKind& kind) {
  std::vector<WrittenItem> items;
  for (const std::string& piece : split_at_commas(text)) {
    if (is_setting(piece)) {
      if (items.empty())
        throw UsageError("\"" + text + "\" begins with an option; begin with a " + kind.noun + ", as in \"" +
                         kind.example + "\".");
      add_setting(items.back(), piece, kind);
      continue;
    }
    const size_t colon = piece.find(':');
    items.push_back({piece.substr(0, colon), {}});
    if (colon != std::string::npos) add_setting(items.back(), piece.substr(colon + 1), kind);
  }
  return items;
}

bool says_all(const std::vector<WrittenItem>& items) { return std::any_of(items.begin(), items.end(), is_all); }

std::vector<WrittenItem> with_all(std::vector<WrittenItem> items, const std::vector<std::string>& names,
                                  const WrittenKind& kind) {
  const auto all = std::find_if(items.begin(), items.end(), is_all);
  if (all == items.end()) return items;
  if (!all->settings.empty() || std::count_if(items.begin(), items.end(), is_all) > 1)
    throw UsageError("\"all\" is said once and takes no options; give a " + kind.noun +
                     " its options by name, as in \"all," + kind.example + "\".");
  std::vector<WrittenItem> others;
  for (const std::string& name : names)
    if (std::none_of(items.begin(), items.end(), [&](const WrittenItem& item) { return item.name == name; }))
      others.push_back({name, {}});
  items.insert(items.erase(all), others.begin(), others.end());
  return items;
}

bool has_key(const Settings& settings, const std::string& key) {
  return std::any_of(settings.begin(), settings.end(), [&](const auto& setting) { return setting.first == key; });
}

}  // namespace vitrail
