#include "vitrail/report.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <system_error>

#include "base/display.h"
#include "base/sha256.h"
#include "image/overlay.h"
#include "report/atomic_file.h"
#include "report/html_report.h"
#include "report/npy.h"
#include "vitrail/error.h"
#include "vitrail/saved_result.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder))
    throw MachineError("cannot create the folder " + folder.string() + ": " +
                       (error ? error.message() : "a file of that name is in the way") +
                       ". Choose another folder with --out.");
}

/// A photo's name without folder and extension, as the name of a folder inside the output.
std::string folder_name(const fs::path& image) {
  const std::string stem = image.stem().string();
  return stem.empty() || stem == "." || stem == ".." ? "image" : stem;
}

/// STEM, STEM-2, STEM-3: the first that is not taken yet.
std::string take_name(const fs::path& image, std::set<std::string>& taken) {
  const std::string stem = folder_name(image);
  std::string name = stem;
  for (int number = 2; !taken.insert(name).second; ++number) name = stem + "-" + std::to_string(number);
  return name;
}

/// Removes the files that an explanation of result.json names.
void remove_files_of(const nlohmann::json& explanation, const fs::path& folder) {
  if (!explanation.is_object()) return;
  std::error_code error;
  const auto remove = [&](const nlohmann::json& name) {
    if (name.is_string()) fs::remove(folder / fs::path(name.get<std::string>()).filename(), error);
  };
  for (const char* key : {"map", "cells", "standard_error", "overlay"})
    if (const auto name = explanation.find(key); name != explanation.end()) remove(*name);
  if (const auto extras = explanation.find("extras"); extras != explanation.end() && extras->is_object())
    for (const auto& [key, name] : extras->items()) remove(name);
}

/// Of a run that was killed while it wrote: files that no result.json names, under the names that only we give.
void remove_orphans(const fs::path& folder) {
  static const std::regex ours("[0-9]{2,}-[a-z_]+-[a-z0-9-]+(\\.[a-z_]+)?\\.(npy|png)");
  std::error_code error;
  std::vector<fs::path> orphans;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (std::regex_match(entry.path().filename().string(), ours)) orphans.push_back(entry.path());
  for (const fs::path& path : orphans) fs::remove(path, error);
}

/// Takes back the result that an earlier run left: result.json first, so that what is
/// there is never called complete, then the files it names.
void withdraw_result(const fs::path& folder) {
  std::error_code ignored;
  fs::remove(folder / "failure.json", ignored);
  remove_stale_parts(folder);
  const fs::path path = folder / "result.json";
  std::ifstream file(path);
  if (!file) return remove_orphans(folder);
  const nlohmann::json former = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  file.close();
  std::error_code error;
  fs::remove(path, error);
  if (error) throw MachineError("cannot replace " + path.string() + ": " + error.message() + ".");
  if (!former.is_object() || former.value("format", nlohmann::json()) != "vitrail-result") return;
  for (const auto& explanation : former.value("explanations", nlohmann::json::array()))
    remove_files_of(explanation, folder);
}

std::string two_digits(size_t number) { return (number < 10 ? "0" : "") + std::to_string(number); }

std::string caption_of(const Explanation& e) {
  return e.target.unit_name() + " " + show_number(e.score) + ", " + show_cost(e.forwards, e.backwards) + ", " +
         show_duration(e.seconds) + (e.partial ? ", partial" : "");
}

}  // namespace

Tensor draw(const Explanation& e, const Image& photo, const Rectangle& placed) {
  OverlayOptions with_boxes;
  with_boxes.boxes = e.target.boxes;
  return render_overlay(photo, placed, e.map, e.is_signed, e.name + ": " + e.target.title(), caption_of(e), e.unit,
                        with_boxes);
}

void check_output_folder(const fs::path& folder) {
  create_folder(folder);
  AtomicFile probe(folder / "vitrail");  // discarded
}

std::vector<std::string> folder_names(std::span<const fs::path> photos) {
  std::set<std::string> taken;
  std::vector<std::string> names;
  for (const fs::path& photo : photos) names.push_back(take_name(photo, taken));
  return names;
}

struct Report::Impl {
  Impl(const fs::path& folder, const Model& model) : folder(folder), model(model), html(prepare(folder)) {}

  static fs::path prepare(const fs::path& folder) {
    create_folder(folder);
    remove_stale_parts(folder);
    return folder / "report.html";
  }

  fs::path folder_of(const fs::path& image, const std::string& name) {
    if (name.empty()) return folder / take_name(image, taken);
    taken.insert(name);
    return folder / name;
  }

  fs::path folder;
  const Model& model;
  AtomicFile html;
  std::set<std::string> taken;
  std::vector<std::string> notes;
};

Report::Report(const fs::path& folder, const Model& model) : impl_(std::make_unique<Impl>(folder, model)) {}
Report::~Report() = default;

Report::Written Report::add(const ImageResult& result, const std::string& name) {
  Written written;
  written.folder = impl_->folder_of(result.image.path, name);
  create_folder(written.folder);
  withdraw_result(written.folder);
  std::map<std::string, std::string> checksums;
  const auto write = [&](const std::string& file, std::span<const std::byte> bytes) {
    checksums[file] = sha256_hex(bytes);
    write_file(written.folder / file, bytes);
  };
  for (const Explanation& e : result.explanations) {
    const std::string stem = two_digits(written.files.size() + 1) + "-" + e.name + "-" + e.target.slug();
    const auto write_array = [&](const Tensor& array, const std::string& ending) {
      if (!array.defined()) return std::string();
      write(stem + ending, encode_npy(array));
      return stem + ending;
    };
    ExplanationFiles files;
    files.map = write_array(e.map, ".npy");
    files.cells = write_array(e.cells, ".cells.npy");
    files.standard_error = write_array(e.standard_error, ".se.npy");
    for (const auto& [key, values] : e.extras) files.extras[key] = write_array(values, "." + key + ".npy");
    files.overlay = stem + ".png";
    write(files.overlay, encode_png(draw(e, result.image, result.placed)));
    written.files.push_back(files);
  }
  if (result.image.sha256.empty()) write("photo.png", encode_png(result.image.pixels));
  written.json = result_to_json(result, impl_->model, written.files, checksums);
  write_file(written.folder / "result.json", written.json + "\n");
  return written;
}

void Report::add_failure(const fs::path& image, const std::string& message, const std::string& name) {
  const fs::path folder = impl_->folder_of(image, name);
  create_folder(folder);
  withdraw_result(folder);
  const nlohmann::ordered_json json = {
      {"format", "vitrail-failure"}, {"version", 1}, {"image", {{"path", image.string()}}}, {"error", message}};
  write_file(folder / "failure.json",
             json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void Report::add_note(const std::string& note) { impl_->notes.push_back(note); }

fs::path Report::finish() {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(impl_->folder, error))
    if (entry.is_directory(error)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  impl_->html.write(html_head(impl_->model));
  for (const std::string& note : impl_->notes) impl_->html.write(html_note(note));
  for (const fs::path& folder : folders) impl_->html.write(html_of_folder(folder, impl_->model.graph().sha256()));
  impl_->html.write(html_tail());
  impl_->html.commit();
  return impl_->folder / "report.html";
}

}  // namespace vitrail
