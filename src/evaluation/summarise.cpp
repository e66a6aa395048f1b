#include <vitrail/bootstrap.h>
#include <vitrail/concordance.h>
#include <vitrail/evaluate.h>
#include <vitrail/paired_comparison.h>
#include <vitrail/variance_split.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/display.h"
#include "base/ranks.h"
#include "evaluation/row_labels.h"

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The scores of one method by one metric, a photo a value; NaN where there is none.
struct Column {
  std::vector<double> values;
  std::map<std::string, int64_t> reasons;
};

const MetricScore* score_of(const PhotoEvaluation& photo, size_t method, size_t metric) {
  const MethodEvaluation& evaluation = photo.methods.at(method);
  return evaluation.refused.empty() ? &evaluation.scores.at(metric) : nullptr;
}

Column column(const std::vector<const PhotoEvaluation*>& photos, size_t method, size_t metric) {
  Column column;
  for (const PhotoEvaluation* photo : photos) {
    const MetricScore* score = score_of(*photo, method, metric);
    column.values.push_back(score ? score->value : kNaN);
    if (!score) ++column.reasons["the method does not apply: " + photo->methods[method].refused];
    if (score && std::isnan(score->value))
      ++column.reasons[score->undefined.empty() ? "the score is not a number" : score->undefined];
  }
  return column;
}

std::vector<double> numbers(const Tensor& values) {
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

/// Means over the photos, where all have a curve of one length; the places are those of the first.
void average_curves(const std::vector<const PhotoEvaluation*>& photos, size_t method, size_t metric,
                    EvaluationRow& row) {
  int64_t count = 0;
  for (const PhotoEvaluation* photo : photos) {
    const MetricScore* score = score_of(*photo, method, metric);
    if (!score || !score->curve_y.defined()) continue;
    const std::vector<double> y = numbers(score->curve_y);
    if (count == 0) {
      row.curve_x = numbers(score->curve_x);
      row.curve_y.assign(y.size(), 0);
    }
    if (y.size() != row.curve_y.size()) {
      row.curve_x.clear();
      row.curve_y.clear();
      return;
    }
    for (size_t i = 0; i < y.size(); ++i) row.curve_y[i] += y[i];
    ++count;
  }
  for (double& value : row.curve_y) value /= static_cast<double>(count);
}

/// Means a photo of what a score cost.
void average_cost(const std::vector<const PhotoEvaluation*>& photos, size_t method, size_t metric, EvaluationRow& row) {
  double count = 0;
  for (const PhotoEvaluation* photo : photos) {
    const MethodEvaluation& evaluation = photo->methods[method];
    if (!evaluation.refused.empty()) continue;
    ++count;
    row.forwards += static_cast<double>(evaluation.forwards + evaluation.scores[metric].forwards);
    row.backwards += static_cast<double>(evaluation.backwards + evaluation.scores[metric].backwards);
    row.map_seconds += evaluation.seconds;
    row.seconds +=
        evaluation.seconds + (metric < evaluation.score_seconds.size() ? evaluation.score_seconds[metric] : kNaN);
  }
  for (double* sum : {&row.forwards, &row.backwards, &row.map_seconds, &row.seconds}) *sum /= count;
}

/// What of the spread comes from photos, and what from the draws of a map.
void split_spread(const std::vector<const PhotoEvaluation*>& photos, size_t method, size_t metric, EvaluationRow& row) {
  std::vector<std::vector<double>> scores;
  for (const PhotoEvaluation* photo : photos)
    if (const auto& repeats = photo->methods[method].repeats; !repeats.empty()) scores.push_back(repeats.at(metric));
  const VarianceSplit split = split_variance(scores);
  row.variance_images = split.images;
  row.variance_sampling = split.sampling;
}

/// The pairs of methods by one metric. Decisions are of all pairs together.
std::vector<EvaluationComparison> compare(const std::vector<EvaluationRow>& rows,
                                          const std::vector<std::vector<double>>& values,
                                          const BootstrapOptions& options) {
  std::vector<EvaluationComparison> comparisons;
  for (const PairedComparison& pair : compare_methods(values, rows[0].direction, options)) {
    const std::string &a = rows[static_cast<size_t>(pair.first)].method,
                      &b = rows[static_cast<size_t>(pair.second)].method;
    comparisons.push_back({.metric = rows[0].metric,
                           .a = a,
                           .b = b,
                           .difference = pair.difference.mean,
                           .low = pair.difference.low,
                           .high = pair.difference.high,
                           .p = pair.p,
                           .adjusted_p = pair.p_adjusted,
                           .effect = pair.effect,
                           .share = pair.share_better,
                           .n = pair.difference.n});
    if (pair.verdict != Verdict::open) comparisons.back().better = pair.verdict == Verdict::first_better ? a : b;
  }
  return comparisons;
}

/// Metrics as judges of the methods that all of them have a mean for.
Concordance agree(const std::vector<EvaluationRow>& rows, size_t methods, size_t metrics, uint64_t seed) {
  std::vector<std::vector<double>> judges(metrics);
  for (size_t m = 0; m < methods; ++m) {
    const auto* row = &rows[m * metrics];
    if (std::any_of(row, row + metrics, [](const EvaluationRow& r) { return std::isnan(r.mean); })) continue;
    for (size_t k = 0; k < metrics; ++k)
      judges[k].push_back(row[k].direction == Direction::higher ? row[k].mean : -row[k].mean);
  }
  return concordance(judges, seed);
}

/// Of a metric over the photos that have one; without n where none does.
EvaluationCeiling ceiling_of(const Metric& metric, const RowLabels& label,
                             const std::vector<const PhotoEvaluation*>& photos, const BootstrapOptions& options) {
  std::vector<double> values;
  for (const PhotoEvaluation* photo : photos)
    if (const auto found = photo->ceilings.find(metric.canonical()); found != photo->ceilings.end())
      values.push_back(found->second);
  const Aggregate interval = bootstrap_mean(values, options);
  return {.metric = metric.canonical(),
          .metric_name = metric.info().name,
          .label = label(metric.canonical()),
          .mean = interval.mean,
          .low = interval.low,
          .high = interval.high,
          .n = interval.n};
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

}  // namespace

std::vector<double> scores_of(const std::vector<PhotoEvaluation>& photos, size_t method, size_t metric) {
  std::vector<double> values;
  for (const PhotoEvaluation& photo : photos) {
    if (!photo.problem.empty()) continue;
    const MetricScore* score = score_of(photo, method, metric);
    values.push_back(score ? score->value : kNaN);
  }
  return values;
}

Evaluation summarise(const std::vector<PhotoEvaluation>& photos, const Methods& methods, const Metrics& metrics,
                     const SummaryOptions& options) {
  const BootstrapOptions bootstrap{.resamples = options.resamples, .level = options.level, .seed = options.seed};
  Evaluation evaluation;
  std::vector<const PhotoEvaluation*> usable;
  for (const PhotoEvaluation& photo : photos)
    if (photo.problem.empty()) usable.push_back(&photo);
  evaluation.photos = static_cast<int64_t>(photos.size());
  evaluation.failed = evaluation.photos - static_cast<int64_t>(usable.size());
  std::vector<std::vector<std::vector<double>>> values(metrics.size());  // [metric][method][photo]
  for (size_t m = 0; m < methods.size(); ++m)
    for (size_t k = 0; k < metrics.size(); ++k) {
      EvaluationRow& row = evaluation.rows.emplace_back();
      row.method = methods[m]->canonical();
      row.method_name = methods[m]->info().name;
      row.metric = metrics[k]->canonical();
      row.metric_name = metrics[k]->info().name;
      row.direction = metrics[k]->direction();
      Column scores = column(usable, m, k);
      const Aggregate interval = bootstrap_mean(scores.values, bootstrap);
      row.mean = interval.mean;
      row.low = interval.low;
      row.high = interval.high;
      row.n = interval.n;
      row.undefined = interval.undefined;
      row.reasons = std::move(scores.reasons);
      average_cost(usable, m, k, row);
      average_curves(usable, m, k, row);
      split_spread(usable, m, k, row);
      values[k].push_back(std::move(scores.values));
    }
  std::vector<std::string> all_metrics;
  for (const auto& metric : metrics) all_metrics.push_back(metric->canonical());
  const RowLabels label(all_metrics);
  for (size_t k = 0; k < metrics.size(); ++k) {
    std::vector<EvaluationRow> of_metric;
    for (size_t m = 0; m < methods.size(); ++m) of_metric.push_back(evaluation.rows[m * metrics.size() + k]);
    const auto pairs = compare(of_metric, values[k], bootstrap);
    evaluation.comparisons.insert(evaluation.comparisons.end(), pairs.begin(), pairs.end());
    const EvaluationCeiling ceiling = ceiling_of(*metrics[k], label, usable, bootstrap);
    if (ceiling.n > 0) evaluation.ceilings.push_back(ceiling);
    if (ceiling.mean > 0)
      for (size_t m = 0; m < methods.size(); ++m) {
        EvaluationRow& row = evaluation.rows[m * metrics.size() + k];
        row.ceiling_share = row.mean / ceiling.mean;
      }
  }
  const Concordance agreement = agree(evaluation.rows, methods.size(), metrics.size(), options.seed);
  evaluation.concordance = agreement.w;
  evaluation.concordance_p = agreement.p;
  return evaluation;
}

bool EvaluationRow::has_split() const { return !std::isnan(variance_sampling); }

std::string EvaluationRow::meaning_of_split() {
  return "Variances of a score: between photos, and between maps of one photo with other seeds. The variance of the "
         "mean is (photos + draws / repeats) / number of photos.";
}

std::string EvaluationCeiling::text() const {
  return label + " between people: " + show_number(mean) +
         (std::isnan(low) ? "" : " (" + show_number(low) + " to " + show_number(high) + ")") + ", " +
         std::to_string(n) + (n == 1 ? " photo" : " photos");
}

std::string EvaluationCeiling::meaning() {
  return "the map of each against the mean of the others' maps. Maps of methods are compared with the mean of all, "
         "which is less noisy: they can exceed it.";
}

std::string Evaluation::table() const {
  std::vector<std::vector<std::string>> lines = {{"metric", "method", "mean", "interval", "photos", "a photo"}};
  const bool repeated = std::any_of(rows.begin(), rows.end(), [](const auto& r) { return r.has_split(); });
  if (repeated)
    for (const char* title : {"var. photos", "var. draws"}) lines[0].push_back(title);
  const bool with_ceiling =
      std::any_of(rows.begin(), rows.end(), [](const auto& r) { return !std::isnan(r.ceiling_share); });
  if (with_ceiling) lines[0].push_back("of ceiling");
  std::vector<const EvaluationRow*> sorted;
  for (const EvaluationRow& row : rows) sorted.push_back(&row);
  std::stable_sort(sorted.begin(), sorted.end(), [&](const EvaluationRow* a, const EvaluationRow* b) {
    const auto place = [&](const EvaluationRow* row) {
      return std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.metric == row->metric; }) -
             rows.begin();
    };
    if (a->metric != b->metric) return place(a) < place(b);
    if (std::isnan(a->mean) || std::isnan(b->mean)) return !std::isnan(a->mean) && std::isnan(b->mean);
    return a->direction == Direction::higher ? a->mean > b->mean : a->mean < b->mean;
  });
  std::vector<std::string> all_metrics, all_methods;
  for (const EvaluationRow& row : rows) {
    all_metrics.push_back(row.metric);
    all_methods.push_back(row.method);
  }
  const RowLabels metric_label(all_metrics), method_label(all_methods);
  for (const EvaluationRow* row : sorted) {
    const std::string direction = row->direction == Direction::higher ? " (higher)" : " (lower)";
    const std::string missing = row->undefined > 0 ? ", " + std::to_string(row->undefined) + " undefined" : "";
    lines.push_back({metric_label(row->metric) + direction, method_label(row->method), show_number(row->mean),
                     std::isnan(row->low) ? "" : show_number(row->low) + " to " + show_number(row->high),
                     std::to_string(row->n) + missing, show_duration(row->seconds)});
    if (repeated)
      for (const double variance : {row->variance_images, row->variance_sampling})
        lines.back().push_back(row->has_split() ? show_number(variance) : "");
    if (with_ceiling) lines.back().push_back(std::isnan(row->ceiling_share) ? "" : show_number(row->ceiling_share));
  }
  std::vector<size_t> widths(lines[0].size(), 0);
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string text;
  for (const auto& line : lines) {
    for (size_t i = 0; i + 1 < line.size(); ++i) text += padded(line[i], widths[i]) + "  ";
    text += line.back() + "\n";
  }
  if (repeated) text += EvaluationRow::meaning_of_split() + "\n";
  for (const EvaluationCeiling& ceiling : ceilings) text += ceiling.text() + "\n";
  if (!ceilings.empty()) text += "Between people: " + EvaluationCeiling::meaning() + "\n";
  return text;
}

}  // namespace vitrail
