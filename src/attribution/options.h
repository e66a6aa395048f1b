#pragma once

// Option tables: an options struct says each of its fields once and gets the method-string syntax, the
// canonical text, the documentation and the checks.
//
//   const OptionTable<RiseOptions> table({
//       option("masks", &RiseOptions::masks, "masks drawn: the forwards", at_least(2)),
//       option("keep", &RiseOptions::keep, "probability that a cell is shown", between(0.01, 0.99)),
//       choice("sampler", &SobolOptions::sampler, "...", {{"lhs", Sampler::lhs}, {"owen", Sampler::owen}}),
//   });
//   table.parse("rise", {{"masks", "500"}});   // -> RiseOptions
//   table.canonical(options);                  // "keep=0.5,masks=500": every option, keys sorted
//
// Fields are int64_t, uint64_t, double, bool, std::string, Baseline, or an enum given as words.

#include <vitrail/baseline.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/written_list.h"

namespace vitrail {

// How a value is written. `read_value` throws std::invalid_argument saying what was expected.
void read_value(const std::string& text, int64_t& value);
void read_value(const std::string& text, uint64_t& value);
void read_value(const std::string& text, double& value);
void read_value(const std::string& text, bool& value);
void read_value(const std::string& text, std::string& value);
void read_value(const std::string& text, Baseline& value);
std::string write_value(int64_t value);
std::string write_value(uint64_t value);
std::string write_value(double value);  ///< the shortest text that reads back to the same number
std::string write_value(bool value);
std::string write_value(const std::string& value);
std::string write_value(const Baseline& value);

/// What OptionInfo::type says of a field.
template <class Value>
std::string type_name() {
  if constexpr (std::is_same_v<Value, bool>) return "flag";
  if constexpr (std::is_integral_v<Value>) return "integer";
  if constexpr (std::is_floating_point_v<Value>) return "number";
  return "text";
}

/// A condition on a value, and its words for the error message.
struct Constraint {
  std::function<bool(double)> holds;
  std::string words;
};
Constraint at_least(double least);
Constraint between(double least, double most);
Constraint positive();

/// One field of `Options`.
template <class Options>
struct Option {
  std::string name, type, description;
  std::function<void(Options&, const std::string&)> read;
  std::function<std::string(const Options&)> write;
  std::function<void(const Options&)> check;  ///< throws std::invalid_argument saying what was expected
};

template <class Options, class Value>
Option<Options> option(std::string name, Value Options::* field, std::string description, Constraint constraint = {}) {
  auto check = [=](const Options& options) {
    if constexpr (std::is_arithmetic_v<Value>)
      if (constraint.holds && !constraint.holds(static_cast<double>(options.*field)))
        throw std::invalid_argument(constraint.words);
  };
  return {std::move(name),
          type_name<Value>(),
          std::move(description),
          [field](Options& options, const std::string& text) { read_value(text, options.*field); },
          [field](const Options& options) { return write_value(options.*field); },
          std::move(check)};
}

template <class Options, class Enum>
Option<Options> choice(std::string name, Enum Options::* field, std::string description,
                       std::vector<std::pair<std::string, std::type_identity_t<Enum>>> words) {
  std::vector<std::string> names;
  for (const auto& word : words) names.push_back(word.first);
  auto read = [field, words, names](Options& options, const std::string& text) {
    const auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.first == text; });
    if (found == words.end()) throw std::invalid_argument("one of its words. " + did_you_mean(text, names));
    options.*field = found->second;
  };
  auto write = [field, words](const Options& options) {
    const auto is_value = [&](const auto& word) { return word.second == options.*field; };
    const auto found = std::find_if(words.begin(), words.end(), is_value);
    VITRAIL_CHECK(found != words.end(), "an enumerator without a word");
    return found->first;
  };
  return {std::move(name), join(names, "|"), std::move(description), read, write, [](const Options&) {}};
}

template <class Options>
class OptionTable {
 public:
  OptionTable(std::vector<Option<Options>> options) : options_(std::move(options)) {
    std::sort(options_.begin(), options_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  }

  /// Defaults changed by `settings`, checked. UsageErrors name the method, the key and what is known.
  Options parse(const std::string& method, const Settings& settings) const {
    Options options;
    std::map<std::string, std::string> seen;
    for (const auto& [key, text] : settings) {
      const Option<Options>& option = find(method, key);
      if (!seen.emplace(key, text).second)
        throw UsageError(method + ": option \"" + key + "\" is given twice (" + seen[key] + ", " + text +
                         "). Give it once.");
      explained(method, key, text, [&, &text = text] { option.read(options, text); });
    }
    check(method, options);
    return options;
  }

  /// UsageError where a value is out of its range.
  void check(const std::string& method, const Options& options) const {
    for (const auto& option : options_)
      explained(method, option.name, option.write(options), [&] { option.check(options); });
  }

  std::string canonical(const Options& options) const {
    std::vector<std::string> settings;
    for (const auto& option : options_) settings.push_back(option.name + "=" + option.write(options));
    return join(settings, ",");
  }

  /// In the order of their names.
  const std::vector<Option<Options>>& rows() const { return options_; }

  std::vector<OptionInfo> infos() const {
    std::vector<OptionInfo> infos;
    for (const auto& option : options_)
      infos.push_back({option.name, option.type, option.write(Options()), option.description});
    return infos;
  }

 private:
  const Option<Options>& find(const std::string& method, const std::string& key) const {
    std::vector<std::string> names;
    for (const auto& option : options_) {
      if (option.name == key) return option;
      names.push_back(option.name);
    }
    throw UsageError(method + " has no option \"" + key + "\". " + did_you_mean(key, names));
  }

  template <class Step>
  static void explained(const std::string& method, const std::string& key, const std::string& text, const Step& step) {
    try {
      step();
    } catch (const std::invalid_argument& expected) {
      throw UsageError(method + ": found " + key + "=" + text + ", expected " + expected.what());
    }
  }

  std::vector<Option<Options>> options_;
};

}  // namespace vitrail
