#include "evaluation/stability/fold_run.h"

#include <vitrail/error.h>
#include <vitrail/version.h>

#include <fstream>
#include <iterator>
#include <regex>

#include "base/json_values.h"
#include "evaluation/run_file.h"
#include "report/atomic_file.h"
#include "report/npy.h"
#include "report/run_json.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFormat = "vitrail-folds-run";

/// Of what of an image decides its map.
bool same_image(const FoldRun::OfImage& a, const FoldRun::OfImage& b) {
  return a.image.path == b.image.path && a.image.label == b.image.label && a.image.fold == b.image.fold &&
         a.sha256 == b.sha256 && a.problem.empty() == b.problem.empty();
}

bool same_model(const FoldRun::OfModel& a, const FoldRun::OfModel& b) { return a.sha256 == b.sha256; }

void remove_arrays(const fs::path& folder) {
  const std::regex pattern(R"((\d\d+-\w+|predicted)-without-\d+\.npy)");
  std::vector<fs::path> arrays;
  for (const auto& entry : fs::directory_iterator(folder))
    if (std::regex_match(entry.path().filename().string(), pattern)) arrays.push_back(entry.path());
  for (const fs::path& array : arrays) fs::remove(array);
}

std::string numbered(size_t method, const std::string& name) {
  const std::string number = std::to_string(method + 1);
  return (number.size() < 2 ? "0" : "") + number + "-" + name;
}

}  // namespace

std::string FoldRun::to_json() const {
  OrderedJson of_models = OrderedJson::array(), of_images = OrderedJson::array();
  for (const OfModel& model : models) of_models.push_back({{"path", model.path}, {"sha256", model.sha256}});
  for (const OfImage& image : images) {
    of_images.push_back(
        {{"path", image.image.path.string()}, {"label", image.image.label}, {"fold", image.image.fold}});
    of_images.back()[image.problem.empty() ? "sha256" : "problem"] =
        image.problem.empty() ? image.sha256 : image.problem;
  }
  return to_text(OrderedJson{{"format", kFormat},
                             {"version", 1},
                             {"vitrail", version()},
                             {"models", of_models},
                             {"preprocess", Json::parse(preprocess)},
                             {"run", run_to_json(run)},
                             {"images", of_images}},
                 1);
}

FoldRun FoldRun::from_json(const std::string& text, const std::string& where) {
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat)
      throw InputError(where + " is of another format. Choose another folder with --out.");
    FoldRun run;
    for (const Json& model : json.at("models"))
      run.models.push_back({model.at("path").get<std::string>(), model.at("sha256").get<std::string>()});
    for (const Json& image : json.at("images"))
      run.images.push_back({{.path = image.at("path").get<std::string>(),
                             .label = image.at("label").get<std::string>(),
                             .fold = image.at("fold").get<int64_t>()},
                            image.value("sha256", ""),
                            image.value("problem", "")});
    run.preprocess = json.at("preprocess").dump();
    run.run = run_from_json(json.at("run"));
    return run;
  } catch (const Json::exception& error) {
    throw InputError(where + " is not the run.json of a study of folds: " + error.what());
  }
}

std::vector<std::string> differences_of_fold_runs(const FoldRun& former, const FoldRun& now) {
  std::vector<std::string> differences = differences_of_runs(former.run, now.run);
  const auto same = [](const auto& before, const auto& after, const auto& alike) {
    return std::equal(before.begin(), before.end(), after.begin(), after.end(), alike);
  };
  if (!same(former.models, now.models, same_model)) differences.emplace_back("the content of the models");
  if (Json::parse(former.preprocess) != Json::parse(now.preprocess)) differences.emplace_back("the preprocessing");
  if (!same(former.images, now.images, same_image)) differences.emplace_back("the photos, their labels or their folds");
  return differences;
}

std::optional<FoldRun> read_fold_run(const fs::path& folder) {
  const auto text = read_run_file(folder);
  if (!text) return std::nullopt;
  return FoldRun::from_json(*text, run_file(folder).string());
}

void remove_fold_run(const fs::path& folder) {
  remove_arrays(folder);
  fs::remove(run_file(folder));
}

FoldRun begin_fold_run(const fs::path& folder, const FoldRun& run) {
  remove_stale_parts(folder);
  if (!read_run_file(folder)) remove_arrays(folder);
  return FoldRun::from_json(begin_run_file(folder, run.to_json()), run_file(folder).string());
}

fs::path fold_maps_file(size_t method, const std::string& name, size_t fold) {
  return numbered(method, name) + "-without-" + std::to_string(fold) + ".npy";
}

fs::path fold_distances_file(size_t method, const std::string& name, MapDistance distance) {
  return numbered(method, name) + "-" + name_of(distance) + ".csv";
}

fs::path fold_predictions_file(size_t fold) { return "predicted-without-" + std::to_string(fold) + ".npy"; }

Tensor read_array(const fs::path& file, int64_t images) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw InputError(file.string() + " cannot be read.");
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  try {
    Tensor array = decode_npy(std::as_bytes(std::span(bytes)));
    if (array.dim() == 0 || array.size(0) != images)
      throw InputError("it is not an array of " + std::to_string(images) + " images.");
    return array;
  } catch (const InputError& error) {
    throw InputError(file.string() + ": " + error.what() + " Remove the file, or begin anew with --force.");
  }
}

Tensor kept_array(const fs::path& file, int64_t images, const std::function<Tensor()>& compute) {
  std::error_code error;
  if (fs::exists(file, error)) return read_array(file, images);
  const Tensor array = compute();
  write_file(file, encode_npy(array));
  return array;
}

}  // namespace vitrail
