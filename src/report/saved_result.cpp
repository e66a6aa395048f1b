#include "vitrail/saved_result.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "base/text.h"
#include "report/npy.h"
#include "report/run_json.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) throw InputError(path.string() + " cannot be read; expected a file of a vitrail result.");
  return text;
}

/// Absent and null are the same: nothing.
std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? std::string() : found->get<std::string>();
}

double number_of(const Json& json, const char* key) {
  return json.at(key).is_null() ? std::numeric_limits<double>::quiet_NaN() : json.at(key).get<double>();
}

/// The name of a file in the folder of the result: whatever path is written there, only its last part counts.
std::string file_of(const Json& json, const char* key) { return fs::path(text_of(json, key)).filename().string(); }

Rectangle rectangle_of(const Json& json) {
  return {json.at("x0").get<double>(), json.at("y0").get<double>(), json.at("x1").get<double>(),
          json.at("y1").get<double>()};
}

Prediction prediction_of(const Json& json) {
  Prediction p{json.at("index").get<int64_t>(), text_of(json, "label"), number_of(json, "logit"),
               number_of(json, "probability")};
  if (json.contains("area")) p.area = json["area"].get<double>();
  if (json.contains("box")) p.box = rectangle_of(json["box"]);
  return p;
}

Target target_of(const Json& json) {
  Target target;
  target.string = json.at("string").get<std::string>();
  target.index = json.at("index").is_null() ? -1 : json.at("index").get<int64_t>();
  target.versus = json.value("versus", int64_t{-1});
  target.label = text_of(json, "label");
  target.name = text_of(json, "name");
  for (const Json& box : json.value("boxes", Json::array())) target.boxes.push_back(rectangle_of(box));
  for (const TargetUnit unit :
       {TargetUnit::logit, TargetUnit::probability, TargetUnit::score, TargetUnit::similarity, TargetUnit::value}) {
    target.unit = unit;
    if (json.at("unit") == target.unit_name()) break;
  }
  return target;
}

Explanation explanation_of(const Json& json) {
  Explanation e;
  e.method = json.at("method").get<std::string>();
  e.name = json.at("name").get<std::string>();
  e.target = target_of(json.at("target"));
  e.is_signed = json.at("signed").get<bool>();
  e.unit = json.at("unit").get<std::string>();
  e.score = number_of(json, "score");
  e.forwards = json.at("forwards").get<int64_t>();
  e.backwards = json.at("backwards").get<int64_t>();
  e.seconds = json.at("seconds").get<double>();
  e.seed = json.at("seed").get<uint64_t>();
  e.baseline = text_of(json, "baseline");
  e.plan = json.at("plan").get<std::map<std::string, std::string>>();
  if (!json.at("completeness_gap").is_null()) e.completeness_gap = json.at("completeness_gap").get<double>();
  e.partial = json.at("partial").get<bool>();
  e.warnings = json.at("warnings").get<std::vector<std::string>>();
  return e;
}

ExplanationFiles files_of(const Json& json) {
  ExplanationFiles files{file_of(json, "map"), file_of(json, "cells"), file_of(json, "standard_error"),
                         file_of(json, "overlay")};
  if (const auto extras = json.find("extras"); extras != json.end())
    for (const auto& [key, name] : extras->items()) files.extras[key] = file_of(*extras, key.c_str());
  return files;
}

void read_image_and_model(const Json& json, SavedResult& result) {
  const Json &model = json.at("model"), &image = json.at("image"), &placed = image.at("placed");
  result.model_path = model.at("path").get<std::string>();
  result.model_sha256 = model.at("sha256").get<std::string>();
  result.preprocess = model.at("preprocess").dump();
  result.image_path = text_of(image, "path");
  result.image_sha256 = text_of(image, "sha256");
  result.width = image.at("width").get<int64_t>();
  result.height = image.at("height").get<int64_t>();
  result.placed = rectangle_of(placed);
}

void read_content(const Json& json, SavedResult& result) {
  result.version = json.at("vitrail").get<std::string>();
  read_image_and_model(json, result);
  result.partial = json.at("status") != "complete";
  result.interrupted = json.value("interrupted", false);
  for (const Json& p : json.at("prediction")) result.prediction.push_back(prediction_of(p));
  for (const Json& e : json.at("explanations")) {
    result.explanations.push_back(explanation_of(e));
    result.files.push_back(files_of(e));
  }
  for (const Json& left_out : json.value("not_applicable", Json::array()))
    result.not_applicable.push_back({text_of(left_out, "method"), text_of(left_out, "reason")});
  if (const auto sums = json.find("sha256"); sums != json.end())
    result.checksums = sums->get<std::map<std::string, std::string>>();
  if (const auto run = json.find("run"); run != json.end()) result.run = run_from_json(*run);
}

/// Why a saved result cannot stand for a new one even where the question is the same.
void check_whole(const SavedResult& saved, const RunRecord& run, std::vector<std::string>& differences) {
  if (saved.interrupted) differences.push_back("it was interrupted");
  if (saved.partial && !saved.interrupted && saved.run.budget != run.budget)
    differences.push_back("the budget (" + (saved.run.budget.empty() ? "none" : saved.run.budget) + ", now " +
                          (run.budget.empty() ? "none" : run.budget) + ")");
  for (const auto& [name, sum] : saved.checksums) {
    const fs::path path = saved.folder / fs::path(name).filename();
    std::error_code error;
    if (!fs::is_regular_file(path, error)) {
      differences.push_back("its file " + name + " is missing");
    } else if (file_sha256(path) != sum) {
      differences.push_back("its file " + name + " is damaged");
    }
  }
}

}  // namespace

Tensor SavedResult::array(const std::string& file) const {
  const fs::path path = folder / fs::path(file).filename();
  const std::string bytes = read_file(path);
  try {
    return decode_npy(std::as_bytes(std::span(bytes)));
  } catch (const InputError& error) {
    throw InputError(path.string() + ": " + error.what());
  }
}

Explanation SavedResult::load(size_t index) const {
  Explanation e = explanations.at(index);
  const ExplanationFiles& names = files.at(index);
  e.map = array(names.map);
  if (!names.cells.empty()) e.cells = array(names.cells);
  if (!names.standard_error.empty()) e.standard_error = array(names.standard_error);
  for (const auto& [key, name] : names.extras) e.extras[key] = array(name);
  return e;
}

fs::path SavedResult::locate(const std::string& path) const {
  std::error_code error;
  if (path.empty()) return {};
  if (fs::exists(path, error)) return path;
  const fs::path from_run = fs::path(run.directory) / path;
  return fs::exists(from_run, error) ? from_run : fs::path();
}

std::optional<Image> SavedResult::photo() const {
  std::error_code error;
  const fs::path kept = folder / "photo.png", path = image_sha256.empty() ? fs::path() : locate(image_path);
  DecodeOptions options;
  options.apply_exif_orientation = run.exif;
  try {
    if (!path.empty() && file_sha256(path) == image_sha256) return read_image(path, options);
    if (image_sha256.empty() && fs::exists(kept, error)) return read_image(kept);
  } catch (const InputError&) {
    return std::nullopt;  // gone since we looked
  }
  return std::nullopt;
}

SavedResult read_result(const fs::path& path) {
  SavedResult result;
  result.folder = path.parent_path();
  std::error_code error;
  if (!fs::exists(path, error))
    throw InputError(path.string() + " does not exist; expected a result.json that `vitrail explain` wrote.");
  if (fs::is_directory(path, error))
    throw InputError(path.string() + " is a folder; expected a result.json that `vitrail explain` wrote.");
  result.text = read_file(path);
  const Json json = Json::parse(result.text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("format") || json["format"] != "vitrail-result")
    throw InputError(path.string() + " is no result of vitrail; expected a result.json that `vitrail explain` wrote.");
  if (!json.contains("version") || json["version"] != 1)
    throw InputError(path.string() + " has the format version " + json.value("version", Json()).dump() +
                     "; expected 1. Read it with the vitrail that wrote it.");
  try {
    read_content(json, result);
  } catch (const Json::exception& problem) {
    throw InputError(path.string() + " is damaged: " + problem.what() + ". Explain the photo again.");
  } catch (const std::out_of_range& problem) {
    throw InputError(path.string() + " is damaged: " + problem.what() + ". Explain the photo again.");
  }
  while (!result.text.empty() && result.text.back() == '\n') result.text.pop_back();
  return result;
}

std::string file_sha256(const fs::path& path) {
  const std::string bytes = read_file(path);
  return sha256_hex(std::as_bytes(std::span(bytes)));
}

FormerResult find_former_result(const fs::path& folder, const fs::path& photo, const Model& model,
                                const RunRecord& run) {
  FormerResult former;
  std::error_code error;
  if (!fs::exists(folder / "result.json", error)) return former;
  try {
    SavedResult saved = read_result(folder / "result.json");
    if (saved.model_sha256 != model.graph().sha256()) former.differences.push_back("the model");
    if (Json::parse(saved.preprocess) != Json::parse(model.preprocess().to_json()))
      former.differences.push_back("the preprocessing");
    if (saved.image_sha256 != file_sha256(photo)) former.differences.push_back("the photo");
    for (std::string& difference : differences_of_runs(saved.run, run))
      former.differences.push_back(std::move(difference));
    check_whole(saved, run, former.differences);
    if (former.differences.empty()) former.result = std::move(saved);
  } catch (const InputError& problem) {
    former.differences = {problem.what()};
  }
  return former;
}

}  // namespace vitrail
