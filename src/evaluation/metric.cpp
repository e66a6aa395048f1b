#include <vitrail/metric.h>

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "evaluation/evidence.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

const WrittenKind kMetrics = {.noun = "metric", .example = "deletion:steps=20"};

/// In the order of the documentation.
const MetricList& entries() {
  static const MetricList all = [] {
    MetricList list;
    for (const auto& family : {fidelity_metrics(), stability_metrics(), robustness_metrics(), sanity_metrics(),
                               localisation_metrics(), complexity_metrics(), axiom_metrics(), alignment_metrics()})
      list.insert(list.end(), family.begin(), family.end());
    return list;
  }();
  return all;
}

const MetricEntry& find_metric(const std::string& name) {
  std::vector<std::string> names;
  for (const MetricEntry* entry : entries()) {
    std::vector<std::string> own = entry->info().aliases;
    own.insert(own.begin(), entry->info().name);
    if (std::find(own.begin(), own.end(), name) != own.end()) return *entry;
    names.insert(names.end(), own.begin(), own.end());
  }
  throw UsageError("Unknown metric \"" + name + "\". " + did_you_mean(name, names));
}

bool draws_numbers(const MetricInfo& info) {
  return std::any_of(info.options.begin(), info.options.end(),
                     [](const OptionInfo& option) { return option.name == "seed"; });
}

std::string shape_of(const Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  std::vector<std::string> sizes;
  for (const int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ",") + "]";
}

void check_plane(const MetricInfo& info, const MetricCase& map, const Tensor& plane, const std::string& what) {
  if (!plane.defined()) throw UsageError(info.name + " needs " + what + ", and this case has none.");
  if (plane.sizes() != map.map.sizes())
    throw UsageError(info.name + ": found " + what + " of " + shape_of(plane) + ", expected the size of the map, " +
                     shape_of(map.map) + ".");
}

}  // namespace

std::vector<MetricInfo> metrics() {
  std::vector<MetricInfo> infos;
  for (const MetricEntry* entry : entries()) infos.push_back(entry->info());
  return infos;
}

bool asks_for_all_metrics(const std::string& text) { return says_all(read_written_list(text, kMetrics)); }

std::vector<std::unique_ptr<Metric>> parse_metrics(const std::string& text, std::optional<uint64_t> seed) {
  std::vector<std::string> names;
  for (const MetricEntry* entry : entries()) names.push_back(entry->info().name);
  auto written = read_written_list(text, kMetrics);
  for (WrittenItem& item : written)
    if (item.name != "all") item.name = find_metric(item.name).info().name;
  std::vector<std::unique_ptr<Metric>> metrics;
  for (auto& [name, settings] : with_all(std::move(written), names, kMetrics)) {
    const MetricEntry& entry = find_metric(name);
    if (seed && draws_numbers(entry.info()) && !has_key(settings, "seed"))
      settings.emplace_back("seed", write_value(*seed));
    metrics.push_back(entry.parse(settings));
  }
  return metrics;
}

std::unique_ptr<Metric> parse_metric(const std::string& text) {
  auto metrics = parse_metrics(text);
  if (metrics.size() != 1)
    throw UsageError("\"" + text + "\" names " + std::to_string(metrics.size()) + " metrics where one was expected.");
  return std::move(metrics[0]);
}

void check_case(const MetricInfo& info, const MetricCase& map) {
  const bool scores =
      info.evidence == Evidence::scores || info.evidence == Evidence::method || info.evidence == Evidence::model;
  if (!map.map.defined() || map.map.dim() != 2 || map.map.numel() == 0 || !map.map.is_floating_point())
    throw UsageError(info.name + ": found a map of " + shape_of(map.map) +
                     ", expected a floating-point tensor [H,W] that is not empty.");
  if (scores && (!map.input.defined() || map.input.dim() != 3 || map.input.sizes().slice(1) != map.map.sizes()))
    throw UsageError(info.name + ": found an input of " + shape_of(map.input) + " for a map of " + shape_of(map.map) +
                     ", expected [C,H,W] of the map's height and width.");
  if (scores && !map.scorer) throw UsageError(info.name + " needs a scorer, and this case has none.");
  if (scores && map.scorer->targets().size() != 1)
    throw UsageError(info.name + ": the scorer has " + std::to_string(map.scorer->targets().size()) +
                     " targets, expected the one that the map explains.");
  if (info.evidence == Evidence::method && !map.method)
    throw UsageError(info.name + " explains other inputs, and this case says no method.");
  if (info.evidence == Evidence::model && !map.model)
    throw UsageError(info.name + " looks into the model, and this case says none.");
  if (info.evidence == Evidence::truth) check_plane(info, map, map.truth, "the region that the target is in");
  if (info.evidence == Evidence::human_map) check_plane(info, map, map.human_map, "a map of where people look");
  if (map.execution.batch < 1)
    throw UsageError(info.name + ": found batch " + std::to_string(map.execution.batch) + ", expected at least 1.");
}

std::string name_of(Evidence evidence) {
  switch (evidence) {
    case Evidence::map:
      return "the map";
    case Evidence::scores:
      return "scores";
    case Evidence::method:
      return "the method, to explain other photos";
    case Evidence::model:
      return "the model";
    case Evidence::truth:
      return "masks or boxes";
    case Evidence::human_map:
      return "human maps";
  }
  VITRAIL_CHECK(false, "unknown evidence");
  return {};
}

std::string describe_non_finite_map(const Tensor& map) {
  const int64_t broken = map.isfinite().logical_not().sum().item<int64_t>();
  return broken == 0 ? "" : "the map holds " + std::to_string(broken) + " non-finite values";
}

MetricScore undefined_score(std::string reason) {
  MetricScore score;
  score.value = std::numeric_limits<double>::quiet_NaN();
  score.undefined = std::move(reason);
  return score;
}

}  // namespace vitrail
