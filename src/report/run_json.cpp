#include "report/run_json.h"

#include <string>
#include <vector>

namespace vitrail {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

/// Absent and null are the same: nothing.
std::string text_of(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? std::string() : found->get<std::string>();
}

}  // namespace

nlohmann::ordered_json run_to_json(const RunRecord& run) {
  Json plan = {{"asked", run.plan}};
  for (const auto& [key, value] : run.engine) plan[key] = value;
  return {{"methods", run.methods},
          {"targets", run.targets},
          {"plan", plan},
          {"budget", text_or_null(run.budget)},
          {"batch", run.batch},
          {"threads", run.threads},
          {"device", run.device},
          {"output", text_or_null(run.output)},
          {"input_size", run.input_size.empty() ? Json(nullptr) : Json(run.input_size)},
          {"exif", run.exif},
          {"directory", text_or_null(run.directory)}};
}

RunRecord run_from_json(const nlohmann::json& json) {
  RunRecord run;
  if (!json.is_object()) return run;
  run.methods = json.at("methods").get<std::vector<std::string>>();
  run.targets = json.at("targets").get<std::vector<std::string>>();
  run.engine = json.at("plan").get<std::map<std::string, std::string>>();
  run.plan = run.engine.at("asked");
  run.engine.erase("asked");
  run.budget = text_of(json, "budget");
  run.batch = json.at("batch").get<int64_t>();
  run.threads = json.at("threads").get<int64_t>();
  run.device = text_of(json, "device");
  run.output = text_of(json, "output");
  if (!json.at("input_size").is_null()) run.input_size = json.at("input_size").get<std::vector<int64_t>>();
  run.exif = json.at("exif").get<bool>();
  run.directory = text_of(json, "directory");
  return run;
}

}  // namespace vitrail
