#include <vitrail/error.h>
#include <vitrail/version.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/display.h"
#include "base/text.h"
#include "evaluation/evaluation_report.h"
#include "evaluation/row_labels.h"
#include "evaluation/svg_plots.h"
#include "report/atomic_file.h"
#include "report/html_style.h"
#include "report/html_text.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

constexpr const char* kStyle = R"css(
.scores { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
.scores th { color: var(--soft); font-weight: normal; text-align: left; vertical-align: bottom; }
.scores td, .scores th { padding: .35rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
.scores .best { font-weight: 600; color: var(--accent); }
.scores small { margin: 0; display: block; }
.scroll { overflow-x: auto; }
.plot { display: block; width: 100%; max-width: 760px; margin: .5rem 0 1rem; font-size: 12px; }
.plot text { fill: var(--ink); }
.plot .grid-line { stroke: var(--line); }
.plot .interval { stroke-width: 2.5; }
.plot .strong { stroke: var(--accent); fill: var(--accent); }
.plot .quiet { stroke: var(--soft); fill: var(--soft); }
.plot .curve { fill: none; stroke-width: 2; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); }
)css";

/// The similarity of maps before and after a sanity check that divides those who pass from those who fail.
constexpr double kAlike = 0.5;

MetricInfo info_of(const std::string& metric) { return parse_metric(metric)->info(); }

bool is_control(const std::string& name) { return name == "random" || name == "edges" || name == "centre"; }

/// The rows as a table.
class Page {
 public:
  Page(const Evaluation& evaluation, const EvaluationRun& run)
      : evaluation_(evaluation),
        methods_(run.run.methods),
        metrics_(run.metrics),
        method_label_(methods_),
        metric_label_(metrics_) {}

  std::string scores() const {
    std::string head = tag("th", "", "method");
    for (const std::string& metric : metrics_) {
      const bool higher = row(methods_[0], metric).direction == Direction::higher;
      head +=
          tag("th", "",
              escape_html(metric_label_(metric)) + tag("small", "", higher ? "higher is better" : "lower is better"));
    }
    std::string body;
    for (const std::string& method : methods_) {
      std::string cells = tag("td", "", escape_html(method_label_(method)));
      for (const std::string& metric : metrics_) cells += cell(method, metric);
      body += tag("tr", "", cells + tag("td", "", cost(method)));
    }
    return tag("div", "scroll", tag("table", "scores", tag("tr", "", head + tag("th", "", "a map costs")) + body));
  }

  /// Which differences hold, in sentences.
  std::string findings() const {
    std::string items;
    for (const std::string& metric : metrics_) {
      const auto of_metric = [&](const EvaluationComparison& pair) { return pair.metric == metric; };
      const auto differ = [&](const EvaluationComparison& pair) { return of_metric(pair) && !pair.better.empty(); };
      const auto& all = evaluation_.comparisons;
      items += tag("li", "",
                   tag("b", "", escape_html(metric_label_(metric))) + ": " +
                       std::to_string(std::count_if(all.begin(), all.end(), differ)) + " of " +
                       std::to_string(std::count_if(all.begin(), all.end(), of_metric)) + " pairs of methods differ. " +
                       escape_html(info_of(metric).family == "sanity" ? verdicts(metric) : controls(metric)));
    }
    return tag("ul", "", items);
  }

  std::string metric_section(const std::string& metric) const {
    std::vector<IntervalPlotRow> intervals;
    std::vector<CurvePlotLine> curves;
    std::string reasons;
    for (const std::string& method : sorted_methods(metric)) {
      const EvaluationRow& r = row(method, metric);
      const bool quiet = is_control(r.method_name);
      intervals.push_back({method_label_(method), r.mean, r.low, r.high, quiet});
      const auto colour = static_cast<size_t>(std::find(methods_.begin(), methods_.end(), method) - methods_.begin());
      if (r.curve_y.size() > 1) curves.push_back({method_label_(method), r.curve_x, r.curve_y, colour, quiet});
      for (const auto& [reason, count] : r.reasons)
        reasons += tag("li", "",
                       escape_html(method_label_(method) + ": no value on " + std::to_string(count) +
                                   (count == 1 ? " photo, " : " photos, ") + reason));
    }
    std::string people;
    for (const EvaluationCeiling& ceiling : evaluation_.ceilings)
      if (ceiling.metric == metric) {
        intervals.push_back({"people", ceiling.mean, ceiling.low, ceiling.high, false});
        people = tag("p", "", escape_html(ceiling.text() + ": " + EvaluationCeiling::meaning() + shares(metric)));
      }
    std::string text = tag("h2", "", escape_html(metric_label_(metric))) + tag("code", "", escape_html(metric)) +
                       people + interval_plot(intervals) + curve_plot(curves, info_of(metric).curve);
    if (!reasons.empty()) text += tag("ul", "", reasons);
    return tag("section", "", text + variances(metric) + pairs(metric));
  }

  /// " Shares of it: gradcam 0.62, random 0.01."; empty without any.
  std::string shares(const std::string& metric) const {
    std::string text;
    for (const std::string& method : sorted_methods(metric))
      if (const double share = row(method, metric).ceiling_share; !std::isnan(share))
        text += (text.empty() ? " Shares of it: " : ", ") + method_label_(method) + " " + show_number(share);
    return text.empty() ? text : text + ".";
  }

  const std::vector<std::string>& metrics() const { return metrics_; }

 private:
  const EvaluationRow& row(const std::string& method, const std::string& metric) const {
    const auto found = std::find_if(evaluation_.rows.begin(), evaluation_.rows.end(),
                                    [&](const EvaluationRow& r) { return r.method == method && r.metric == metric; });
    VITRAIL_CHECK(found != evaluation_.rows.end(), "a method without a row");
    return *found;
  }

  /// Best first; those without a mean last.
  std::vector<std::string> sorted_methods(const std::string& metric) const {
    std::vector<std::string> sorted = methods_;
    std::stable_sort(sorted.begin(), sorted.end(), [&](const std::string& a, const std::string& b) {
      const EvaluationRow &x = row(a, metric), &y = row(b, metric);
      if (std::isnan(x.mean) || std::isnan(y.mean)) return !std::isnan(x.mean) && std::isnan(y.mean);
      return x.direction == Direction::higher ? x.mean > y.mean : x.mean < y.mean;
    });
    return sorted;
  }

  std::string cell(const std::string& method, const std::string& metric) const {
    const EvaluationRow& r = row(method, metric);
    if (std::isnan(r.mean)) return tag("td", "", "-");
    const bool best = sorted_methods(metric)[0] == method;
    return tag("td", best ? "best" : "",
               show_number(r.mean) + tag("small", "", show_number(r.low) + " to " + show_number(r.high)));
  }

  std::string cost(const std::string& method) const {
    const EvaluationRow& r = row(method, metrics_[0]);
    return show_duration(r.map_seconds);
  }

  bool is_better(const std::string& a, const std::string& b, const std::string& metric) const {
    return std::any_of(evaluation_.comparisons.begin(), evaluation_.comparisons.end(), [&](const auto& pair) {
      return pair.metric == metric && pair.better == a && (pair.a == b || pair.b == b);
    });
  }

  /// Who passes a sanity check: maps that resemble those of another network, or of another class, by less than half.
  std::string verdicts(const std::string& metric) const {
    std::vector<std::string> pass, fail;
    for (const std::string& method : methods_) {
      const EvaluationRow& r = row(method, metric);
      if (r.high < kAlike) pass.push_back(method_label_(method));
      if (r.low > kAlike) fail.push_back(method_label_(method));
    }
    std::string text;
    if (!pass.empty()) text += "Pass, with the interval below .5: " + join(pass) + ". ";
    if (!fail.empty()) text += "Fail, with the interval above .5: " + join(fail) + ".";
    return text;
  }

  /// Whether the metric tells methods from maps that know nothing of the network.
  std::string controls(const std::string& metric) const {
    std::vector<std::string> controls, better_than_all, worse_than_one;
    for (const std::string& method : methods_)
      if (is_control(row(method, metric).method_name)) controls.push_back(method);
    if (controls.empty()) return "";
    for (const std::string& method : methods_) {
      if (is_control(row(method, metric).method_name)) continue;
      if (std::all_of(controls.begin(), controls.end(),
                      [&](const std::string& control) { return is_better(method, control, metric); }))
        better_than_all.push_back(method_label_(method));
      for (const std::string& control : controls)
        if (is_better(control, method, metric))
          worse_than_one.push_back(method_label_(method) + " (worse than " + method_label_(control) + ")");
    }
    std::string text = better_than_all.empty() ? "It tells no method from all controls."
                                               : "Better than every control: " + join(better_than_all) + ".";
    if (!worse_than_one.empty()) text += " Worse than a control: " + join(worse_than_one) + ".";
    return text;
  }

  /// Of methods that were explained with several seeds.
  std::string variances(const std::string& metric) const {
    std::string body;
    for (const std::string& method : methods_) {
      const EvaluationRow& r = row(method, metric);
      if (!r.has_split()) continue;
      body += tag("tr", "",
                  tag("td", "", escape_html(method_label_(method))) + tag("td", "", show_number(r.variance_images)) +
                      tag("td", "", show_number(r.variance_sampling)));
    }
    if (body.empty()) return "";
    const std::string head = "<tr><th>method</th><th>between photos</th><th>between draws</th></tr>";
    return tag("details", "",
               tag("summary", "", "Photos or draws: where the spread comes from") +
                   tag("p", "", EvaluationRow::meaning_of_split()) + tag("table", "scores", head + body));
  }

  std::string pairs(const std::string& metric) const {
    std::string body;
    for (const EvaluationComparison& pair : evaluation_.comparisons) {
      if (pair.metric != metric) continue;
      body += tag("tr", pair.better.empty() ? "" : "best",
                  tag("td", "", escape_html(method_label_(pair.a))) +
                      tag("td", "", escape_html(method_label_(pair.b))) + tag("td", "", show_number(pair.difference)) +
                      tag("td", "", show_number(pair.low) + " to " + show_number(pair.high)) +
                      tag("td", "", show_number(pair.adjusted_p)) + tag("td", "", show_number(pair.effect)) +
                      tag("td", "", show_share(pair.share)) +
                      tag("td", "", pair.better.empty() ? "open" : escape_html(method_label_(pair.better))));
    }
    if (body.empty()) return "";
    const std::string head =
        "<tr><th>a</th><th>b</th><th>mean of a - b</th><th>interval</th><th>p (Holm)</th><th>Cohen's d</th>"
        "<th>a better on</th><th>better</th></tr>";
    return tag("details", "",
               tag("summary", "", "Pairs of methods on the same photos") +
                   tag("div", "scroll", tag("table", "scores", head + body)));
  }

  const Evaluation& evaluation_;
  const std::vector<std::string>&methods_, &metrics_;
  RowLabels method_label_, metric_label_;
};

std::string head(const Evaluation& evaluation, const EvaluationRun& run) {
  const std::string name = fs::path(run.model_path).filename().string();
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape_html(name) + ", evaluated - vitrail</title>\n<style>" + kHtmlStyle + kStyle +
         "</style>\n</head>\n<body>\n<header>\n" + tag("h1", "", escape_html(name)) +
         tag("p", "",
             "Explanations of " + std::to_string(evaluation.photos - evaluation.failed) + " photos, target " +
                 escape_html(run.run.targets.at(0)) +
                 ". Means with 95 % bootstrap "
                 "intervals over photos; pairs of methods are compared on the same photos by sign-flip tests "
                 "under Holm's correction. vitrail " +
                 version()) +
         "\n</header>\n<main>\n";
}

std::string concordance_text(const Evaluation& evaluation) {
  if (std::isnan(evaluation.concordance)) return "";
  return tag(
      "p", "",
      "Agreement of the metrics about the order of the methods: Kendall's W = " + show_number(evaluation.concordance) +
          " (1: all agree, 0: none), p = " + show_number(evaluation.concordance_p) + ".");
}

/// Places of the two best and the two worst photos for a method by a metric.
std::vector<size_t> extreme_photos(const std::vector<PhotoEvaluation>& photos, size_t method, size_t metric,
                                   Direction direction) {
  std::vector<size_t> known;
  const auto value = [&](size_t i) { return photos[i].methods[method].scores[metric].value; };
  for (size_t i = 0; i < photos.size(); ++i)
    if (photos[i].problem.empty() && photos[i].methods[method].refused.empty() && std::isfinite(value(i)))
      known.push_back(i);
  std::stable_sort(known.begin(), known.end(), [&](size_t a, size_t b) {
    return direction == Direction::higher ? value(a) > value(b) : value(a) < value(b);
  });
  if (known.size() > 4) known.erase(known.begin() + 2, known.end() - 2);
  return known;
}

}  // namespace

std::string html_examples(const EvaluationRun& run, const std::vector<PhotoEvaluation>& photos, const Model& model,
                          const Methods& methods, const Metrics& metrics, const Execution& execution) {
  const auto judge = std::find_if(metrics.begin(), metrics.end(),
                                  [](const auto& metric) { return metric->info().evidence == Evidence::scores; });
  const auto judged = std::find_if(methods.begin(), methods.end(),
                                   [](const auto& method) { return method->info().family != "control"; });
  if (judge == metrics.end() || judged == methods.end()) return "";
  const auto metric = static_cast<size_t>(judge - metrics.begin()),
             method = static_cast<size_t>(judged - methods.begin());
  std::string sections;
  for (const size_t i : extreme_photos(photos, method, metric, (*judge)->info().direction)) {
    const PhotoEvaluation& photo = photos[i];
    try {
      const Image image = read_image(photo.path, {.apply_exif_orientation = run.run.exif});
      const ImageResult result =
          explain_image(model, image, methods, run.run.targets, execution, WhereRefused::leave_out);
      std::string figures;
      for (const Explanation& e : result.explanations)
        figures += tag("figure", "",
                       picture(draw(e, image, result.placed), e.name, 420) +
                           tag("figcaption", "", tag("h3", "", escape_html(e.name))));
      sections += tag("section", "",
                      tag("h2", "",
                          escape_html(fs::path(photo.path).filename().string()) +
                              tag("small", "",
                                  escape_html(photo.target.title() + ", " + (*judge)->info().name + " of " +
                                              (*judged)->info().name + " " +
                                              show_number(photo.methods[method].scores[metric].value)))) +
                          tag("div", "grid", figures));
    } catch (const InputError& error) {
      sections += tag("p", "warning", escape_html(error.what()));
    }
  }
  const std::string title =
      "The best and the worst photos of " + (*judged)->info().name + " by " + (*judge)->info().name;
  return sections.empty() ? "" : tag("h2", "", escape_html(title)) + sections;
}

fs::path write_evaluation(const fs::path& folder, const Evaluation& evaluation, const EvaluationRun& run,
                          const std::string& examples) {
  write_file(folder / "evaluation.json", evaluation_to_json(evaluation, run));
  const Page page(evaluation, run);
  std::string text =
      head(evaluation, run) +
      tag("section", "", tag("h2", "", "Scores") + page.scores() + page.findings() + concordance_text(evaluation));
  for (const std::string& metric : page.metrics()) text += page.metric_section(metric);
  const fs::path path = folder / "report.html";
  write_file(path, text + examples + "</main>\n</body>\n</html>\n");
  return path;
}

}  // namespace vitrail
