#include "vitrail/report.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "base/display.h"
#include "image/overlay.h"
#include "report/atomic_file.h"
#include "report/html_report.h"
#include "report/npy.h"
#include "vitrail/error.h"

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

/// Takes back the result that an earlier run left: result.json first, so that what is
/// there is never called complete, then the files it names.
void withdraw_result(const fs::path& folder) {
  const fs::path path = folder / "result.json";
  std::ifstream file(path);
  if (!file) return;
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

void check_output_folder(const fs::path& folder) {
  create_folder(folder);
  AtomicFile probe(folder / "vitrail");  // discarded
}

struct Report::Impl {
  Impl(const fs::path& folder, const Model& model)
      : folder(folder), model(model), html((create_folder(folder), folder / "report.html")) {
    html.write(html_head(model));
  }

  /// STEM, STEM-2, STEM-3: the first that no photo of this run has.
  fs::path take_folder(const fs::path& image) {
    const std::string stem = folder_name(image);
    std::string name = stem;
    for (int number = 2; !taken.insert(name).second; ++number) name = stem + "-" + std::to_string(number);
    return folder / name;
  }

  fs::path folder;
  const Model& model;
  AtomicFile html;
  std::set<std::string> taken;
};

Report::Report(const fs::path& folder, const Model& model) : impl_(std::make_unique<Impl>(folder, model)) {}
Report::~Report() = default;

Report::Written Report::add(const ImageResult& result) {
  Written written;
  written.folder = impl_->take_folder(result.image.path);
  create_folder(written.folder);
  withdraw_result(written.folder);
  Tensors overlays;
  for (const Explanation& e : result.explanations) {
    const std::string name = two_digits(written.files.size() + 1) + "-" + e.name + "-" + e.target.slug();
    const auto write_array = [&](const Tensor& array, const std::string& ending) {
      if (!array.defined()) return std::string();
      write_file(written.folder / (name + ending), encode_npy(array));
      return name + ending;
    };
    ExplanationFiles files;
    files.map = write_array(e.map, ".npy");
    files.cells = write_array(e.cells, ".cells.npy");
    files.standard_error = write_array(e.standard_error, ".se.npy");
    for (const auto& [key, values] : e.extras) files.extras[key] = write_array(values, "." + key + ".npy");
    files.overlay = name + ".png";
    OverlayOptions with_boxes;
    with_boxes.boxes = e.target.boxes;
    overlays.push_back(render_overlay(result.image, result.placed, e.map, e.is_signed, e.name + ": " + e.target.title(),
                                      caption_of(e), e.unit, with_boxes));
    write_file(written.folder / files.overlay, encode_png(overlays.back()));
    written.files.push_back(files);
  }
  written.json = result_to_json(result, impl_->model, written.files);
  write_file(written.folder / "result.json", written.json + "\n");
  impl_->html.write(html_section(result, overlays));
  return written;
}

void Report::add_failure(const fs::path& image, const std::string& message) {
  withdraw_result(impl_->take_folder(image));
  impl_->html.write(html_failure(image.string(), message));
}

void Report::add_note(const std::string& note) { impl_->html.write(html_note(note)); }

fs::path Report::finish() {
  impl_->html.write(html_tail());
  impl_->html.commit();
  return impl_->folder / "report.html";
}

}  // namespace vitrail
