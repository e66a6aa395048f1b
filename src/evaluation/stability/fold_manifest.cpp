#include <vitrail/error.h>
#include <vitrail/fold_manifest.h>
#include <vitrail/fold_study.h>

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_values.h"
#include "model/class_names.h"
#include "model/json_text.h"
#include "model/target_syntax.h"
#include "report/atomic_file.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kFormat = "vitrail-folds";
constexpr std::uintmax_t kMaxBytes = 256 << 20;

std::string read_text(const fs::path& file) {
  std::error_code error;
  const auto size = fs::is_regular_file(file, error) ? fs::file_size(file, error) : 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream || error || size == 0)
    throw InputError(file.string() + " cannot be read; expected a file of models, images and folds: " + kFormat + ".");
  if (size > kMaxBytes)
    throw InputError(file.string() + " has " + std::to_string(size) + " bytes; expected at most 256 MB.");
  std::string text(size, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(size));
  return text;
}

/// One file, value by value; a wrong one is refused with its place.
class ManifestReader {
 public:
  explicit ManifestReader(const fs::path& file) : file_(file) {
    try {
      json_ = parse_json(read_text(file), file.string());
    } catch (const UsageError& error) {
      throw InputError(error.what());
    }
  }

  FoldManifest read() {
    if (!json_.is_object() || json_.value("format", Json()) != kFormat)
      refuse("the format", json_.is_object() ? json_.value("format", Json()) : json_, "\"vitrail-folds\"");
    if (json_.value("version", Json()) != 1) refuse("the version", json_.value("version", Json()), "1");
    FoldManifest manifest;
    const Json& models = list("models");
    for (size_t i = 0; i < models.size(); ++i)
      manifest.models.push_back(path(models[i], "models[" + std::to_string(i) + "]"));
    if (manifest.models.size() < 2)
      refuse("models", models, "two or more, each trained without the images of one fold");
    const Json& images = list("images");
    for (size_t i = 0; i < images.size(); ++i)
      manifest.images.push_back(
          image(images[i], "images[" + std::to_string(i) + "]", static_cast<int64_t>(manifest.models.size())));
    check_folds(manifest);
    check_files(manifest);
    return manifest;
  }

 private:
  /// `what` of the file is `found`.
  [[noreturn]] void refuse(const std::string& what, const Json& found, const std::string& expected) const {
    constexpr size_t kMostShown = 80;
    std::string text = found.is_null() ? "missing" : found.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > kMostShown) text = text.substr(0, kMostShown) + "...";
    throw InputError(file_.string() + ": " + what + " is " + text + "; expected " + expected + ".");
  }

  const Json& list(const char* key) const {
    if (!json_.contains(key) || !json_[key].is_array()) refuse(key, json_.value(key, Json()), "a list");
    return json_[key];
  }

  fs::path path(const Json& value, const std::string& where) const {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) refuse(where, value, "a path");
    return (file_.parent_path() / fs::path(value.get<std::string>())).lexically_normal();
  }

  FoldImage image(const Json& value, const std::string& where, int64_t folds) {
    if (!value.is_object()) refuse(where, value, R"({"path": "a.png", "label": 3, "fold": 0})");
    const auto member = [&](const char* key) { return value.value(key, Json()); };
    FoldImage image{.path = path(member("path"), where + ".path"), .label = label(member("label"), where + ".label")};
    const Json fold = member("fold");
    if (!fold.is_number_integer() || fold.get<int64_t>() < 0 || fold.get<int64_t>() >= folds)
      refuse(where + ".fold", fold,
             "a fold that has a model: 0 to " + std::to_string(folds - 1) + " of " + std::to_string(folds) + " models");
    image.fold = fold.get<int64_t>();
    if (!seen_.insert(image.path.string()).second)
      refuse(where + ".path", member("path"), "another photo: this one is listed twice");
    return image;
  }

  std::string label(const Json& value, const std::string& where) const {
    const std::string expected = "the index of a class, or its name";
    if (value.is_number_integer() && value.get<int64_t>() >= 0) return std::to_string(value.get<int64_t>());
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) refuse(where, value, expected);
    const auto text = value.get<std::string>();
    if (rank_of(text)) refuse(where, value, expected + ", whatever the model says of the photo");
    return text;
  }

  void check_folds(const FoldManifest& manifest) const {
    std::vector<int64_t> images(manifest.models.size());
    for (const FoldImage& image : manifest.images) ++images[static_cast<size_t>(image.fold)];
    const auto empty = std::find(images.begin(), images.end(), 0);
    if (empty != images.end())
      throw InputError(file_.string() + ": no image is of fold " + std::to_string(empty - images.begin()) +
                       "; expected images of every fold from 0 to " + std::to_string(images.size() - 1) +
                       ", which model number 0, 1 ... was trained without.");
  }

  void check_files(const FoldManifest& manifest) const {
    std::error_code error;
    for (const FoldImage& image : manifest.images)
      if (!fs::is_regular_file(image.path, error))
        throw InputError(file_.string() + " names the photo " + image.path.string() +
                         ", which does not exist; expected a path from the folder of the file.");
    for (const fs::path& model : manifest.models)
      if (!fs::is_regular_file(model, error))
        throw ModelError(file_.string() + " names the model " + model.string() +
                         ", which does not exist; expected an ONNX file, by its path from the folder of the file.");
  }

  fs::path file_;
  Json json_;
  std::set<std::string> seen_;
};

int64_t class_of_label(const Model& model, const std::string& label) {
  try {
    if (rank_of(label)) throw UsageError("'" + label + "' is a rank, expected the index of a class, or its name.");
    return find_class(label, at::zeros({model.classes()}), model.labels());
  } catch (const UsageError& error) {
    throw InputError("the label '" + label + "' is none of " + model.graph().path() + ": " + error.what());
  }
}

}  // namespace

FoldManifest read_fold_manifest(const fs::path& file) { return ManifestReader(file).read(); }

void write_fold_manifest(const FoldManifest& manifest, const fs::path& file) {
  using Ordered = nlohmann::ordered_json;
  const fs::path folder = fs::absolute(file).parent_path();
  const auto relative = [&](const fs::path& path) {
    return fs::absolute(path).lexically_normal().lexically_relative(folder.lexically_normal()).generic_string();
  };
  Ordered models = Ordered::array(), images = Ordered::array();
  for (const fs::path& model : manifest.models) models.push_back(relative(model));
  for (const FoldImage& image : manifest.images)
    images.push_back({{"path", relative(image.path)}, {"label", image.label}, {"fold", image.fold}});
  write_file(file, to_text(Ordered{{"format", kFormat}, {"version", 1}, {"models", models}, {"images", images}}, 1));
}

FoldManifest split_class_folders(const fs::path& folder, int64_t folds, uint64_t seed, const fs::path& models) {
  std::error_code error;
  std::vector<fs::path> classes;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) classes.push_back(entry.path());
  std::sort(classes.begin(), classes.end());
  FoldManifest manifest;
  for (const fs::path& of_class : classes)
    for (const fs::path& photo : photos_in(of_class))
      manifest.images.push_back({.path = photo, .label = of_class.filename().string()});
  if (manifest.images.empty())
    throw InputError(folder.string() + " holds no folders with photos; expected one folder a class, named after it, " +
                     "as in photos/cat/1.jpg.");
  const std::vector<int64_t> fold_of = split_folds(static_cast<int64_t>(manifest.images.size()), folds, seed);
  for (size_t i = 0; i < fold_of.size(); ++i) manifest.images[i].fold = fold_of[i];
  for (int64_t fold = 0; fold < folds; ++fold)
    manifest.models.push_back(models / ("without_" + std::to_string(fold) + ".onnx"));
  return manifest;
}

std::vector<int64_t> classes_of_labels(const Model& model, std::span<const FoldImage> images) {
  std::map<std::string, int64_t> known;  // looked up once each
  std::vector<int64_t> classes;
  for (const FoldImage& image : images) {
    if (!known.contains(image.label)) known[image.label] = class_of_label(model, image.label);
    classes.push_back(known[image.label]);
  }
  return classes;
}

}  // namespace vitrail
