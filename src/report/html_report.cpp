#include "report/html_report.h"

#include <ATen/ops/mean.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/display.h"
#include "report/html_style.h"
#include "report/html_text.h"
#include "vitrail/error.h"
#include "vitrail/version.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

std::string class_name(int64_t index, const std::string& label) {
  return label.empty() ? "class " + std::to_string(index) : label;
}

/// Where a box is, else the logit.
std::string last_column(const Prediction& p) {
  if (!p.box) return show_number(p.logit);
  return show_number(p.box->x0) + ", " + show_number(p.box->y0) + ", " + show_number(p.box->x1) + ", " +
         show_number(p.box->y1);
}

std::string prediction_table(const std::vector<Prediction>& prediction) {
  const bool boxes = !prediction.empty() && prediction[0].box;
  std::string rows;
  for (const Prediction& p : prediction) {
    const double share = std::isfinite(p.probability) ? std::clamp(p.probability, 0.0, 1.0) : 0;
    const std::string bar =
        "<span class=\"bar\"><span style=\"width:" + show_number(100 * share) + "%\"></span></span>";
    rows += tag("tr", "",
                tag("td", "", escape_html(class_name(p.index, p.label)) + tag("small", "", std::to_string(p.index))) +
                    tag("td", "wide", bar) +
                    tag("td", "number", std::isnan(p.probability) ? "" : show_share(p.probability)) +
                    tag("td", "number", last_column(p)));
  }
  return tag("table", "prediction",
             "<tr><th>class</th><th></th><th class=\"number\">probability</th><th class=\"number\">" +
                 std::string(boxes ? "box" : "logit") + "</th></tr>" + rows);
}

/// Name and value pairs under a picture; rows without a value are left out.
std::string facts(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string text;
  for (const auto& [name, value] : rows)
    if (!value.empty()) text += tag("dt", "", escape_html(name)) + tag("dd", "", escape_html(value));
  return tag("dl", "", text);
}

std::string figure(const Explanation& e, const std::string& overlay, double error) {
  const std::string target =
      e.target.label.empty() && e.target.index < 0 ? e.target.string : class_name(e.target.index, e.target.label);
  const auto layer = e.plan.find("layer");
  std::string text = tag("h3", "", escape_html(e.name) + (e.partial ? tag("span", "badge", "partial") : "")) +
                     tag("p", "target", escape_html(target) + tag("small", "", escape_html(e.target.slug())));
  text += facts({{"score", show_number(e.score) + " " + e.target.unit_name()},
                 {"map", e.unit + (e.is_signed ? ", signed" : ", unsigned")},
                 {"cost", show_cost(e.forwards, e.backwards) + ", " + show_duration(e.seconds)},
                 {"standard error", error >= 0 ? show_number(error) + " on average" : ""},
                 {"completeness gap", e.completeness_gap ? show_number(*e.completeness_gap) : ""},
                 {"layer", layer == e.plan.end() ? "" : layer->second},
                 {"baseline", e.baseline}});
  for (const std::string& warning : e.warnings) text += tag("p", "warning", escape_html(warning));
  text += tag("code", "", escape_html(e.method));
  const std::string shown =
      overlay.empty() ? "" : png_picture(base64(std::as_bytes(std::span(overlay))), e.name + " for " + target);
  return tag("figure", "", shown + tag("figcaption", "", text));
}

/// Of the values of a .npy file; -1 where there is none.
double mean_of(const SavedResult& result, const std::string& file) {
  if (file.empty()) return -1;
  try {
    return result.array(file).mean().item<double>();
  } catch (const InputError&) {
    return -1;  // taken away since: the section is shown without it
  }
}

std::string file_content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The reason why a photo has no result, as a former run wrote it.
std::string saved_failure(const fs::path& path) {
  const auto json = nlohmann::json::parse(file_content(path), nullptr, /*allow_exceptions=*/false);
  const auto text = [](const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : ""; };
  if (!json.is_object() || !json.contains("image") || !json["image"].is_object() || !json.contains("error")) return "";
  return html_failure(text(json["image"].value("path", nlohmann::json())), text(json["error"]));
}

}  // namespace

std::string html_head(const Model& model) {
  const std::string name = fs::path(model.graph().path()).filename().string();
  std::string text =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      escape_html(name) + " - vitrail</title>\n<style>" + kHtmlStyle + "</style>\n</head>\n<body>\n<header>\n" +
      tag("h1", "", escape_html(name)) + "\n";
  text += facts({{"input", to_string(model.graph().inputs().at(0).shape)},
                 {"preprocessing", model.preprocess_source()},
                 {"sha256", model.graph().sha256()},
                 {"vitrail", version()}});
  for (const std::string& warning : model.warnings()) text += tag("p", "warning", escape_html(warning));
  return text + "\n</header>\n<main>\n";
}

std::string html_section(const SavedResult& result, const Tensor& photo, const std::vector<std::string>& overlays,
                         const std::string& model_sha256) {
  const std::string path = result.image_path.empty() ? "image" : result.image_path;
  const std::string size = std::to_string(result.width) + " x " + std::to_string(result.height);
  std::string figures, warnings;
  for (size_t i = 0; i < overlays.size(); ++i)
    figures += figure(result.explanations[i], overlays[i], mean_of(result, result.files[i].standard_error)) + "\n";
  if (result.model_sha256 != model_sha256)
    warnings += tag("p", "warning", escape_html("This result is of another model: " + result.model_path));
  for (const auto& [method, reason] : result.not_applicable)
    warnings +=
        tag("p", "warning", escape_html("Does not apply: " + method.substr(0, method.find(':')) + ". " + reason));
  const std::string seen =
      photo.defined() ? picture(photo, path) : tag("p", "warning", "The photo is no longer there.");
  return "<section>\n" +
         tag("h2", "",
             escape_html(fs::path(path).filename().string()) + tag("small", "", size) +
                 (result.partial ? tag("span", "badge", "partial") : "")) +
         "\n" + warnings + "<div class=\"seen\">" + seen + prediction_table(result.prediction) +
         "</div>\n<div class=\"grid\">\n" + figures + "</div>\n</section>\n";
}

std::string html_of_folder(const fs::path& folder, const std::string& model_sha256) {
  std::error_code error;
  if (!fs::exists(folder / "result.json", error))
    return fs::exists(folder / "failure.json", error) ? saved_failure(folder / "failure.json") : "";
  try {
    const SavedResult result = read_result(folder / "result.json");
    const std::optional<Image> photo = result.photo();
    std::vector<std::string> overlays;
    for (const ExplanationFiles& files : result.files) overlays.push_back(file_content(folder / files.overlay));
    return html_section(result, photo ? photo->pixels : Tensor(), overlays, model_sha256);
  } catch (const InputError& problem) {
    return html_failure(folder.filename().string(), problem.what());
  }
}

std::string html_failure(const std::string& image, const std::string& message) {
  return "<section>\n" + tag("h2", "", escape_html(image) + tag("span", "badge", "failed")) +
         tag("p", "warning", escape_html(message)) + "\n</section>\n";
}

std::string html_note(const std::string& note) { return tag("p", "warning", escape_html(note)) + "\n"; }

std::string html_tail() { return "</main>\n</body>\n</html>\n"; }

}  // namespace vitrail
