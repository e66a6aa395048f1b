#include "evaluation/evaluation_run.h"

#include <vitrail/error.h>
#include <vitrail/version.h>

#include "base/json_values.h"
#include "evaluation/run_file.h"
#include "report/run_json.h"

namespace vitrail {

namespace fs = std::filesystem;

std::string EvaluationRun::to_json() const {
  nlohmann::ordered_json json = {
      {"format", "vitrail-evaluation-run"},
      {"version", 1},
      {"vitrail", version()},
      {"model", {{"path", model_path}, {"sha256", model_sha256}, {"preprocess", nlohmann::json::parse(preprocess)}}},
      {"run", run_to_json(run)},
      {"metrics", metrics},
      {"masks", masks},
      {"boxes", boxes},
      {"human_maps", human_maps},
      {"fixation_sigma", fixation_sigma},
      {"photos", photos}};
  if (repeats != 1) json["repeats"] = repeats;
  return to_text(json, 1);
}

EvaluationRun EvaluationRun::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("format") != "vitrail-evaluation-run") throw InputError(where + " is of another format.");
    EvaluationRun run;
    run.model_path = json.at("model").at("path").get<std::string>();
    run.model_sha256 = json.at("model").at("sha256").get<std::string>();
    run.preprocess = json.at("model").at("preprocess").dump();
    run.run = run_from_json(json.at("run"));
    run.metrics = json.at("metrics").get<std::vector<std::string>>();
    run.masks = json.at("masks").get<std::string>();
    run.boxes = json.at("boxes").get<std::string>();
    run.human_maps = json.at("human_maps").get<std::string>();
    run.fixation_sigma = json.value("fixation_sigma", 0.0);
    run.repeats = json.value("repeats", int64_t{1});
    run.photos = json.at("photos").get<std::vector<std::string>>();
    return run;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where + " is not the run.json of an evaluation: " + error.what());
  }
}

std::vector<std::string> differences_of_evaluations(const EvaluationRun& former, const EvaluationRun& now) {
  std::vector<std::string> differences = differences_of_runs(former.run, now.run);
  const auto compare = [&](const std::string& what, const auto& before, const auto& after) {
    if (before != after) differences.push_back("the " + what);
  };
  compare("content of the model", former.model_sha256, now.model_sha256);
  compare("preprocessing", nlohmann::json::parse(former.preprocess), nlohmann::json::parse(now.preprocess));
  compare("metrics", former.metrics, now.metrics);
  compare("repeats", former.repeats, now.repeats);
  compare("list of photos", former.photos, now.photos);
  compare("masks", former.masks, now.masks);
  compare("boxes", former.boxes, now.boxes);
  compare("human maps", former.human_maps, now.human_maps);
  compare("sigma of fixations", former.fixation_sigma, now.fixation_sigma);
  return differences;
}

std::optional<EvaluationRun> read_evaluation_run(const fs::path& folder) {
  const auto text = read_run_file(folder);
  if (!text) return std::nullopt;
  return EvaluationRun::from_json(*text, run_file(folder).string());
}

EvaluationRun begin_evaluation(const fs::path& folder, const EvaluationRun& run) {
  return EvaluationRun::from_json(begin_run_file(folder, run.to_json()), run_file(folder).string());
}

}  // namespace vitrail
