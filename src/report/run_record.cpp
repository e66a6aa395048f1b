#include "vitrail/run_record.h"

#include <algorithm>
#include <regex>

#include "base/text.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// "engine=plan,precision=float32,chunk=4": what of an engine decides the bytes.
std::string show_engine(const std::map<std::string, std::string>& engine) {
  std::vector<std::string> words;
  for (const char* key : {"engine", "precision", "chunk", "side_by_side"})
    if (const auto found = engine.find(key); found != engine.end())
      words.push_back(std::string(key) + "=" + found->second);
  return join(words, ",");
}

/// A plan that was made by timing need not be the same again: what was asked for must.
bool same_plan(const RunRecord& former, const RunRecord& now) {
  if (now.plan.starts_with("auto") || former.plan.starts_with("auto")) return former.plan == now.plan;
  return show_engine(former.engine) == show_engine(now.engine);
}

std::string show_plan(const RunRecord& run) {
  return run.plan.starts_with("auto") ? run.plan : show_engine(run.engine);
}

std::string show_size(const std::vector<int64_t>& size) {
  return size.size() == 2 ? std::to_string(size[0]) + "x" + std::to_string(size[1]) : "the model's own";
}

/// The words of `these` that are not in `others`.
std::string without(const std::vector<std::string>& these, const std::vector<std::string>& others) {
  std::vector<std::string> rest;
  for (const std::string& word : these)
    if (std::find(others.begin(), others.end(), word) == others.end()) rest.push_back(word);
  return rest.empty() ? "no other" : join(rest);
}

std::string or_else(const std::string& text, const std::string& otherwise) { return text.empty() ? otherwise : text; }

}  // namespace

Shard Shard::parse(const std::string& text) {
  std::smatch parts;
  Shard shard;
  if (std::regex_match(text, parts, std::regex("([0-9]{1,9})/([0-9]{1,9})")))
    shard = {std::stoll(parts[1]), std::stoll(parts[2])};
  if (parts.empty() || shard.number < 1 || shard.number > shard.of)
    throw UsageError("the shard is '" + text + "'; expected i/n with i from 1 to n, as in 2/8.");
  return shard;
}

std::vector<std::string> differences_of_runs(const RunRecord& former, const RunRecord& now) {
  std::vector<std::string> differences;
  const auto compare = [&](const std::string& what, const std::string& before, const std::string& after) {
    if (before != after) differences.push_back(what + " (" + before + ", now " + after + ")");
  };
  const auto compare_lists = [&](const std::string& what, const auto& before, const auto& after) {
    if (std::is_permutation(before.begin(), before.end(), after.begin(), after.end())) {
      if (before != after) differences.push_back("the order of the " + what);
    } else {
      differences.push_back("the " + what + " (" + without(before, after) + ", now " + without(after, before) + ")");
    }
  };
  compare_lists("methods", former.methods, now.methods);
  compare_lists("targets", former.targets, now.targets);
  if (!same_plan(former, now))
    differences.push_back("the plan (" + show_plan(former) + ", now " + show_plan(now) + ")");
  compare("the device", former.device, now.device);
  compare("the output", or_else(former.output, "the only one"), or_else(now.output, "the only one"));
  compare("the input size", show_size(former.input_size), show_size(now.input_size));
  compare("the EXIF orientation", former.exif ? "applied" : "ignored", now.exif ? "applied" : "ignored");
  return differences;
}

}  // namespace vitrail
