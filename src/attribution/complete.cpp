#include "vitrail/complete.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "vitrail/method.h"

namespace vitrail {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == separator)
      pieces.emplace_back();
    else
      pieces.back() += c;
  }
  return pieces;
}

std::optional<MethodInfo> find_info(const std::string& name) {
  for (MethodInfo& info : methods()) {
    const auto& aliases = info.aliases;
    if (info.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return std::move(info);
  }
  return std::nullopt;
}

/// "key=value" and not "name:key=value".
bool is_setting(const std::string& piece) {
  const size_t equals = piece.find('=');
  return equals != std::string::npos && equals < piece.find(':');
}

std::vector<Candidate> complete_names(const std::string& start, const std::string& before) {
  std::vector<Candidate> candidates;
  for (const MethodInfo& info : methods())
    if (info.name.starts_with(start)) candidates.push_back({before + info.name, info.summary});
  if (std::string("all").starts_with(start) && before.empty())
    candidates.push_back({"all", "every method that the model allows"});
  const auto exact = find_info(start);
  if (exact && !exact->options.empty()) candidates.push_back({before + start + ":", "with options"});
  return candidates;
}

std::vector<Candidate> complete_keys(const MethodInfo& info, const std::string& start, const std::string& before) {
  std::vector<Candidate> candidates;
  for (const OptionInfo& option : info.options)
    if (option.name.starts_with(start))
      candidates.push_back(
          {before + option.name + "=", option.description + " (default: " + option.default_value + ")"});
  return candidates;
}

/// The words that an option takes, its default first where it is none of them.
std::vector<std::string> words_of(const OptionInfo& option, const std::vector<std::string>& layers) {
  if (option.type == "flag") return {"true", "false"};
  if (option.type.find('|') != std::string::npos) return split(option.type, '|');
  std::vector<std::string> words = {option.default_value};
  const auto add = [&](const std::vector<std::string>& more) {
    for (const std::string& word : more)
      if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  };
  if (option.name == "layer") add(layers);
  if (option.name == "baseline")
    add({"zero", "black", "white", "mean", "blur", "noise", "uniform", "dataset:", "samples:", "inpaint", "linear"});
  if (option.name == "regions") add({"grid", "slic"});
  return words;
}

std::vector<Candidate> complete_value(const MethodInfo& info, const std::string& setting, const std::string& before,
                                      const std::vector<std::string>& layers) {
  const size_t equals = setting.find('=');
  const std::string key = setting.substr(0, equals), start = setting.substr(equals + 1);
  std::vector<Candidate> candidates;
  for (const OptionInfo& option : info.options) {
    if (option.name != key) continue;
    for (const std::string& word : words_of(option, layers))
      if (word.starts_with(start)) candidates.push_back({before + key + "=" + word, ""});
  }
  return candidates;
}

std::vector<Candidate> complete_setting(const MethodInfo& info, const std::string& setting, const std::string& before,
                                        const std::vector<std::string>& layers) {
  return setting.find('=') == std::string::npos ? complete_keys(info, setting, before)
                                                : complete_value(info, setting, before, layers);
}

bool starts_with_in_any_case(const std::string& text, const std::string& start) {
  return text.size() >= start.size() && std::equal(start.begin(), start.end(), text.begin(), [](char a, char b) {
           const auto lower = [](char c) {
             return c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
           };
           return lower(a) == lower(b);
         });
}

/// "tench, Tinca tinca" -> tench, Tinca_tinca.
std::vector<std::string> names_in(const std::string& label) {
  std::vector<std::string> names;
  for (std::string& name : split(label, ',')) {
    const size_t begin = name.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    name = name.substr(begin, name.find_last_not_of(' ') - begin + 1);
    std::replace(name.begin(), name.end(), ' ', '_');
    names.push_back(name);
  }
  return names;
}

}  // namespace

std::vector<Candidate> complete_methods(const std::string& text, const std::vector<std::string>& layers) {
  std::optional<MethodInfo> method;  // that a setting would continue
  size_t begin = 0;
  for (size_t comma = text.find(','); comma != std::string::npos; begin = comma + 1, comma = text.find(',', begin)) {
    const std::string piece = text.substr(begin, comma - begin);
    if (!is_setting(piece)) method = find_info(piece.substr(0, piece.find(':')));
  }
  const std::string before = text.substr(0, begin), piece = text.substr(begin);
  const size_t colon = is_setting(piece) ? std::string::npos : piece.find(':');
  if (colon != std::string::npos) {
    const auto own = find_info(piece.substr(0, colon));
    if (!own) return {};
    return complete_setting(*own, piece.substr(colon + 1), before + piece.substr(0, colon + 1), layers);
  }
  std::vector<Candidate> candidates;
  if (method) candidates = complete_setting(*method, piece, before, layers);
  if (piece.find('=') == std::string::npos)
    for (Candidate& name : complete_names(piece, before)) candidates.push_back(std::move(name));
  return candidates;
}

std::vector<Candidate> complete_target(const std::string& text, const std::vector<std::string>& labels) {
  std::string before, start = text;
  if (const size_t versus = text.find("-vs-"); versus != std::string::npos) {
    before = text.substr(0, versus + 4);
    start = text.substr(versus + 4);
  } else if (const size_t colon = text.find(':'); colon != std::string::npos) {
    before = text.substr(0, colon + 1);
    start = text.substr(colon + 1);
    if (before != "prob:" && before != "logit:") return {};
  }
  std::vector<Candidate> candidates;
  const auto add = [&](const std::string& word, const std::string& description) {
    if (starts_with_in_any_case(word, start)) candidates.push_back({before + word, description});
  };
  add("top1", "the predicted class");
  add("top2", "the second class, in a contrast; else the two best");
  if (before.empty()) {
    add("prob:", "the probability of a class");
    add("logit:", "its logit");
  }
  for (size_t i = 0; i < labels.size(); ++i)
    for (const std::string& name : names_in(labels[i])) add(name, std::to_string(i));
  return candidates;
}

}  // namespace vitrail
