#include "evaluation/stability/fold_result.h"

#include <vitrail/version.h>

#include <cmath>

#include "attribution/options.h"
#include "base/json_values.h"
#include "report/run_json.h"

namespace vitrail {

namespace {

using Json = nlohmann::ordered_json;

Json share(int64_t part, int64_t whole) {
  return whole > 0 ? Json(static_cast<double>(part) / static_cast<double>(whole)) : Json(nullptr);
}

Json json_of(const FoldRun::OfModel& model, const FoldAccuracy& accuracy) {
  return {{"path", model.path},
          {"sha256", model.sha256},
          {"accuracy", share(accuracy.right, accuracy.images)},
          {"held_out", accuracy.held_out},
          {"accuracy_held_out", share(accuracy.right_held_out, accuracy.held_out)}};
}

Json json_of(const FoldMethodResult& method) {
  Json json = {{"method", method.name}, {"method_string", method.method}};
  if (!method.refused.empty()) {
    json["refused"] = method.refused;
    return json;
  }
  json["mege"] = number_or_null(method.scores.mege);
  json["mege_low"] = number_or_null(method.intervals.mege.low);
  json["mege_high"] = number_or_null(method.intervals.mege.high);
  json["reco"] = number_or_null(method.scores.reco);
  json["reco_low"] = number_or_null(method.intervals.reco.low);
  json["reco_high"] = number_or_null(method.intervals.reco.high);
  json["threshold"] = number_or_null(method.scores.threshold);
  json["equal"] = method.scores.equal;
  json["different"] = method.scores.different;
  json["undefined"] = method.scores.undefined;
  json["reasons"] = Json::object();
  const auto reason = [&](const char* what, const std::string& why) {
    if (!why.empty()) json["reasons"][what] = why;
  };
  reason("mege", method.scores.mege_reason);
  reason("mege_interval", method.intervals.mege.reason);
  reason("reco", method.scores.reco_reason);
  reason("reco_interval", method.intervals.reco.reason);
  json["distances"] = method.distances_file;
  return json;
}

/// Between quotes, which are doubled inside.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

}  // namespace

FoldAccuracy fold_accuracy(const FoldMaps& study, int64_t fold) {
  FoldAccuracy accuracy;
  for (size_t image = 0; image < study.folds.size(); ++image) {
    const bool right = study.correct[fold][static_cast<int64_t>(image)].item<bool>();
    const bool held_out = study.folds[image] == fold;
    ++accuracy.images;
    accuracy.right += right;
    accuracy.held_out += held_out;
    accuracy.right_held_out += right && held_out;
  }
  return accuracy;
}

std::string FoldResult::to_json(const FoldRun& run) const {
  Json of_models = Json::array(), of_methods = Json::array(), failed = Json::array();
  for (size_t fold = 0; fold < models.size(); ++fold) of_models.push_back(json_of(run.models[fold], models[fold]));
  for (const FoldMethodResult& method : methods) of_methods.push_back(json_of(method));
  for (const FoldRun::OfImage& image : run.images)
    if (!image.problem.empty()) failed.push_back({{"path", image.image.path.string()}, {"error", image.problem}});
  return to_text(Json{{"format", "vitrail-folds-result"},
                      {"version", 1},
                      {"vitrail", version()},
                      {"manifest", manifest},
                      {"distance", name_of(options.distance)},
                      {"strict", options.strict},
                      {"level", bootstrap.level},
                      {"resamples", bootstrap.resamples},
                      {"images", run.images.size()},
                      {"failed", failed},
                      {"models", of_models},
                      {"methods", of_methods},
                      {"run", run_to_json(run.run)}},
                 1);
}

std::string fold_distances_csv(std::span<const FoldPair> pairs, const std::vector<FoldImage>& images) {
  std::string text = "path,fold,first,second,pair,distance\n";
  for (const FoldPair& pair : pairs) {
    const FoldImage& image = images[static_cast<size_t>(pair.image)];
    text += quoted(image.path.string()) + "," + std::to_string(image.fold) + "," + std::to_string(pair.first) + "," +
            std::to_string(pair.second) + "," + (pair.equal ? "equal" : "different") + "," +
            (std::isfinite(pair.distance) ? write_value(pair.distance) : "") + "\n";
  }
  return text;
}

}  // namespace vitrail
