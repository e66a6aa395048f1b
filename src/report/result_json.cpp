// result.json: docs/result.md is the page of the format, docs/result.schema.json its schema.

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/run_json.h"
#include "vitrail/error.h"
#include "vitrail/report.h"
#include "vitrail/version.h"

namespace vitrail {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no NaN and no Infinity: they become null, and a word in the warnings says which number it was.
Json number(double value, const std::string& what, Json& warnings) {
  if (std::isfinite(value)) return value;
  warnings.push_back(what + " is not a finite number (" + (std::isnan(value) ? "NaN" : "infinite") + ").");
  return nullptr;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json dimension(const Dim& dim) {
  if (dim.per_batch == 0) return dim.fixed;
  const std::string text = to_string(Shape{dim});
  return text.substr(1, text.size() - 2);
}

Json model_json(const Model& model) {
  Json shape = Json::array();
  for (const Dim& dim : model.graph().inputs().at(0).shape) shape.push_back(dimension(dim));
  return {{"path", model.graph().path()},
          {"sha256", model.graph().sha256()},
          {"input_shape", shape},
          {"preprocess", Json::parse(model.preprocess().to_json())},
          {"preprocess_source", model.preprocess_source()},
          {"output", {{"kind", to_string(model.output_kind())}, {"description", model.output_description()}}}};
}

Json rectangle_json(const Rectangle& r) { return {{"x0", r.x0}, {"y0", r.y0}, {"x1", r.x1}, {"y1", r.y1}}; }

Json image_json(const ImageResult& result) {
  return {{"path", result.image.path},
          {"sha256", text_or_null(result.image.sha256)},
          {"width", result.image.width()},
          {"height", result.image.height()},
          {"placed", rectangle_json(result.placed)}};
}

Json target_json(const Target& target) {
  Json json = {{"string", target.string},
               {"index", target.index < 0 ? Json(nullptr) : Json(target.index)},
               {"label", text_or_null(target.label)},
               {"unit", target.unit_name()}};
  if (target.versus >= 0) json["versus"] = target.versus;
  if (!target.name.empty()) json["name"] = target.name;
  for (const Rectangle& box : target.boxes) json["boxes"].push_back(rectangle_json(box));
  return json;
}

Json prediction_json(const Prediction& p, OutputKind kind, Json& warnings) {
  const std::string what = (kind == OutputKind::boxes ? " of a box of class " : " of class ") + std::to_string(p.index);
  const auto value = [&](double v, bool exists, const std::string& name) {
    return exists ? number(v, name + what, warnings) : Json(nullptr);
  };
  Json json = {{"index", p.index},
               {"label", text_or_null(p.label)},
               {"logit", value(p.logit, kind != OutputKind::boxes, "the logit")},
               {"probability", value(p.probability, kind != OutputKind::regression && kind != OutputKind::embedding,
                                     "the probability")}};
  if (p.area) json["area"] = *p.area;
  if (p.box) json["box"] = rectangle_json(*p.box);
  return json;
}

Json explanation_json(const Explanation& e, const ExplanationFiles& files) {
  Json warnings = e.warnings;
  const Json score = number(e.score, "the score", warnings);
  const Json gap = e.completeness_gap ? number(*e.completeness_gap, "the completeness gap", warnings) : Json(nullptr);
  return {{"method", e.method},
          {"name", e.name},
          {"target", target_json(e.target)},
          {"map", files.map},
          {"cells", text_or_null(files.cells)},
          {"standard_error", text_or_null(files.standard_error)},
          {"extras", files.extras},
          {"overlay", files.overlay},
          {"signed", e.is_signed},
          {"unit", e.unit},
          {"score", score},
          {"forwards", e.forwards},
          {"backwards", e.backwards},
          {"seconds", e.seconds},
          {"seed", e.seed},
          {"baseline", text_or_null(e.baseline)},
          {"plan", e.plan},
          {"completeness_gap", gap},
          {"partial", e.partial},
          {"warnings", warnings}};
}

}  // namespace

std::string result_to_json(const ImageResult& result, const Model& model, const std::vector<ExplanationFiles>& files,
                           const std::map<std::string, std::string>& checksums) {
  VITRAIL_CHECK(files.size() == result.explanations.size(), "files and explanations differ in number");
  Json warnings = model.warnings();
  Json prediction = Json::array();
  for (const Prediction& p : result.prediction) prediction.push_back(prediction_json(p, model.output_kind(), warnings));
  Json explanations = Json::array();
  for (size_t i = 0; i < files.size(); ++i) explanations.push_back(explanation_json(result.explanations[i], files[i]));
  Json not_applicable = Json::array();
  for (const auto& [method, reason] : result.not_applicable)
    not_applicable.push_back({{"method", method}, {"reason", reason}});
  const Json json = {{"format", "vitrail-result"},
                     {"version", 1},
                     {"vitrail", version()},
                     {"model", model_json(model)},
                     {"status", result.partial() ? "partial" : "complete"},
                     {"interrupted", result.interrupted},
                     {"image", image_json(result)},
                     {"run", run_to_json(result.run)},
                     {"prediction", prediction},
                     {"explanations", explanations},
                     {"not_applicable", not_applicable},
                     {"sha256", checksums},
                     {"warnings", warnings}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vitrail
