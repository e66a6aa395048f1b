#include <vitrail/version.h>

#include "base/json_values.h"
#include "evaluation/evaluation_report.h"
#include "report/run_json.h"

namespace vitrail {

namespace {

using Json = nlohmann::ordered_json;

Json row_json(const EvaluationRow& row) {
  return {{"method", row.method_name},
          {"metric", row.metric_name},
          {"direction", row.direction == Direction::higher ? "higher" : "lower"},
          {"mean", number_or_null(row.mean)},
          {"low", number_or_null(row.low)},
          {"high", number_or_null(row.high)},
          {"n", row.n},
          {"undefined", row.undefined},
          {"reasons", row.reasons},
          {"forwards", row.forwards},
          {"backwards", row.backwards},
          {"seconds", number_or_null(row.seconds)},
          {"variance_images", number_or_null(row.variance_images)},
          {"variance_sampling", number_or_null(row.variance_sampling)},
          {"ceiling_share", number_or_null(row.ceiling_share)},
          {"method_string", row.method},
          {"metric_string", row.metric}};
}

Json comparison_json(const EvaluationComparison& pair) {
  return {{"metric", pair.metric},
          {"a", pair.a},
          {"b", pair.b},
          {"difference", number_or_null(pair.difference)},
          {"low", number_or_null(pair.low)},
          {"high", number_or_null(pair.high)},
          {"p", number_or_null(pair.p)},
          {"adjusted_p", number_or_null(pair.adjusted_p)},
          {"effect", number_or_null(pair.effect)},
          {"share", number_or_null(pair.share)},
          {"n", pair.n},
          {"better", pair.better.empty() ? Json(nullptr) : Json(pair.better)}};
}

Json ceiling_json(const EvaluationCeiling& ceiling) {
  return {{"metric", ceiling.metric_name},
          {"mean", number_or_null(ceiling.mean)},
          {"low", number_or_null(ceiling.low)},
          {"high", number_or_null(ceiling.high)},
          {"n", ceiling.n},
          {"metric_string", ceiling.metric}};
}

}  // namespace

std::string evaluation_to_json(const Evaluation& evaluation, const EvaluationRun& run) {
  Json rows = Json::array(), comparisons = Json::array(), ceilings = Json::array();
  for (const EvaluationRow& row : evaluation.rows) rows.push_back(row_json(row));
  for (const EvaluationComparison& pair : evaluation.comparisons) comparisons.push_back(comparison_json(pair));
  for (const EvaluationCeiling& ceiling : evaluation.ceilings) ceilings.push_back(ceiling_json(ceiling));
  return to_text(
      Json{{"format", "vitrail-evaluation"},
           {"version", 1},
           {"vitrail", version()},
           {"model", {{"path", run.model_path}, {"sha256", run.model_sha256}}},
           {"run", run_to_json(run.run)},
           {"photos", evaluation.photos},
           {"failed", evaluation.failed},
           {"rows", rows},
           {"comparisons", comparisons},
           {"ceilings", ceilings},
           {"concordance",
            {{"kendall_w", number_or_null(evaluation.concordance)}, {"p", number_or_null(evaluation.concordance_p)}}}},
      1);
}

}  // namespace vitrail
