#include <nlohmann/json.hpp>

#include "base/json_values.h"
#include "vitrail/doctor.h"

namespace vitrail {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json agreement_json(const std::optional<Agreement>& agreement) {
  if (!agreement) return {{"reference", nullptr}, {"max_relative_error", nullptr}, {"first_diverging_value", nullptr}};
  return {{"reference", agreement->reference},
          {"max_relative_error", number_or_null(agreement->max_relative_error)},
          {"first_diverging_value", text_or_null(agreement->first_diverging_value)},
          {"first_diverging_node", text_or_null(agreement->first_diverging_node)},
          {"values", agreement->values},
          {"undecided", agreement->undecided},
          {"tolerance", Agreement::kTolerance}};
}

}  // namespace

std::string to_json(const Diagnosis& d) {
  Json photos = Json::array(), saturation = Json::array(), speed = Json::array();
  for (const PhotoDiagnosis& photo : d.photos)
    photos.push_back({{"path", photo.path},
                      {"index", photo.top.index},
                      {"label", text_or_null(photo.top.label)},
                      {"probability", number_or_null(photo.top.probability)}});
  for (const Saturation& s : d.saturation)
    saturation.push_back({{"node", s.node},
                          {"value", s.value},
                          {"share", number_or_null(s.share)},
                          {"dead_channels", number_or_null(s.dead)}});
  for (const Speed& s : d.speed)
    speed.push_back({{"engine", s.engine},
                     {"batch", s.batch},
                     {"chunk", s.chunk},
                     {"threads", s.threads},
                     {"images_per_second", number_or_null(s.images_per_second)}});
  const Json batch = d.batch ? Json{{"generalises", d.batch->generalises}, {"reason", text_or_null(d.batch->reason)}}
                             : Json{{"generalises", nullptr}, {"reason", text_or_null(d.obstacle)}};
  const Json json = {{"format", "vitrail-doctor"},
                     {"version", 1},
                     {"model", d.path},
                     {"obstacle", text_or_null(d.obstacle)},
                     {"operators", {{"unsupported", d.unsupported}}},
                     {"agreement", agreement_json(d.agreement)},
                     {"batch", batch},
                     {"input", text_or_null(d.input)},
                     {"preprocess", d.preprocess.empty() ? Json(nullptr) : Json::parse(d.preprocess)},
                     {"preprocess_source", text_or_null(d.preprocess_source)},
                     {"photos", photos},
                     {"non_differentiable", d.non_differentiable},
                     {"saturation", saturation},
                     {"speed", speed},
                     {"warnings", d.warnings}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vitrail
