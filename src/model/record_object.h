#pragma once

// Reading the objects of a record, key by key: a wrong value is refused with the file and the key that hold it.

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "vitrail/error.h"

namespace vitrail {

constexpr int64_t kMostSide = 8192;  ///< of an image that a record may ask for

/// A closed set of words in the record.
template <typename T>
using Words = std::vector<std::pair<std::string, T>>;

/// Reads keys of one object, naming the file and the key in every refusal.
class RecordObject {
 public:
  RecordObject(const nlohmann::json& object, std::string where, std::string name)
      : object_(object), where_(std::move(where)), name_(std::move(name)) {
    if (!object.is_object()) throw UsageError(where_ + ": " + name_ + " is not a JSON object.");
  }

  UsageError refusal(const std::string& key, const std::string& expected) const {
    constexpr size_t kMostShown = 80;
    std::string found = object_.contains(key) ? object_[key].dump(-1, ' ', /*ensure_ascii=*/true) : "missing";
    if (found.size() > kMostShown) found = found.substr(0, kMostShown) + "...";
    return UsageError(where_ + ": " + name_ + "." + key + " is " + found + "; expected " + expected + ".");
  }

  bool has(const std::string& key) const { return object_.contains(key); }
  const nlohmann::json& at(const std::string& key) const { return object_.at(key); }

  template <typename T>
  T word(const std::string& key, const Words<T>& words, T otherwise) const {
    if (!has(key)) return otherwise;
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (object_[key] == word) return meaning;
      known += (known.empty() ? "" : ", ") + word;
    }
    throw refusal(key, "one of " + known);
  }

  double number(const std::string& key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_[key].is_number()) throw refusal(key, "a number");
    return object_[key].get<double>();
  }

  /// A whole number from 0 to `most`.
  int64_t whole(const std::string& key, int64_t otherwise, int64_t most) const {
    if (!has(key)) return otherwise;
    if (!object_[key].is_number_integer() || object_[key].get<int64_t>() < 0 || object_[key].get<int64_t>() > most)
      throw refusal(key, "a whole number from 0 to " + std::to_string(most));
    return object_[key].get<int64_t>();
  }

  /// A number from 0 to 1.
  double share(const std::string& key, double otherwise) const {
    const double value = number(key, otherwise);
    if (!(value >= 0 && value <= 1)) throw refusal(key, "a number from 0 to 1");
    return value;
  }

  int64_t side(const std::string& key, const nlohmann::json& value) const {
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > kMostSide)
      throw refusal(key, "sizes from 1 to " + std::to_string(kMostSide));
    return value.get<int64_t>();
  }

  bool flag(const std::string& key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_[key].is_boolean()) throw refusal(key, "true or false");
    return object_[key].get<bool>();
  }

  std::vector<double> numbers(const std::string& key, int64_t count, double otherwise) const {
    if (!has(key)) return std::vector<double>(count, otherwise);
    const std::string expected = std::to_string(count) + " number(s), one a channel";
    if (!object_[key].is_array() || static_cast<int64_t>(object_[key].size()) != count) throw refusal(key, expected);
    return list_of_numbers(key, object_[key], expected);
  }

  /// A list of any length; empty where the key is missing.
  std::vector<double> numbers(const std::string& key) const {
    const std::string expected = "a list of numbers";
    return has(key) ? list_of_numbers(key, object_[key], expected) : std::vector<double>();
  }

  std::vector<double> list_of_numbers(const std::string& key, const nlohmann::json& list,
                                      const std::string& expected) const {
    if (!list.is_array()) throw refusal(key, expected);
    std::vector<double> values;
    for (const nlohmann::json& value : list) {
      if (!value.is_number() || !std::isfinite(value.get<double>())) throw refusal(key, expected);
      values.push_back(value.get<double>());
    }
    return values;
  }

  /// A text, or a list of them; empty where the key is missing.
  std::vector<std::string> texts(const std::string& key) const {
    if (!has(key)) return {};
    std::vector<std::string> values;
    const nlohmann::json list = object_[key].is_array() ? object_[key] : nlohmann::json::array({object_[key]});
    for (const nlohmann::json& value : list) {
      if (!value.is_string()) throw refusal(key, "a name or a list of names");
      values.push_back(value.get<std::string>());
    }
    return values;
  }

 private:
  const nlohmann::json& object_;
  std::string where_, name_;
};

}  // namespace vitrail
