#include <vitrail/metric.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "catalogue.h"
#include "command.h"
#include "evaluation/evidence.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

using Json = nlohmann::ordered_json;

struct MetricsArguments {
  std::string name;
  bool json = false;
};

std::string better(const MetricInfo& info) { return info.direction == Direction::higher ? "higher" : "lower"; }

Json to_json(const MetricInfo& info) {
  return {{"name", info.name},
          {"family", info.family},
          {"aliases", info.aliases},
          {"summary", info.summary},
          {"formula", info.formula},
          {"direction", better(info)},
          {"needs", name_of(info.evidence)},
          {"range", info.range},
          {"curve", info.curve},
          {"cost", info.cost},
          {"source", info.source},
          {"options", options_to_json(info.options)}};
}

void print_metric(const MetricInfo& info) {
  print_title(info.name, info.aliases, info.summary);
  std::vector<std::vector<std::string>> rows{
      {"formula", info.formula}, {"better", better(info)}, {"range", info.range}};
  if (!info.curve.empty()) rows.push_back({"curve over", info.curve});
  rows.insert(rows.end(), {{"needs", name_of(info.evidence)}, {"forwards", info.cost}, {"source", info.source}});
  print_table(rows);
  print_options(info.name, info.options);
}

void print_list(const std::vector<MetricInfo>& infos) {
  std::vector<std::vector<std::string>> rows;
  for (const MetricInfo& info : infos) rows.push_back({info.name, info.family, better(info), info.summary});
  print_table(rows);
}

ExitCode run(const MetricsArguments& arguments) {
  const bool one = !arguments.name.empty();
  const std::vector<MetricInfo> infos = one ? std::vector{parse_metric(arguments.name)->info()} : metrics();
  if (arguments.json) {
    Json list = Json::array();
    for (const MetricInfo& info : infos) list.push_back(to_json(info));
    std::cout << Json({{"format", "vitrail-metrics"}, {"version", 1}, {"metrics", list}}).dump(1) << '\n';
  } else if (one) {
    print_metric(infos[0]);
  } else {
    print_list(infos);
  }
  return ExitCode::done;
}

}  // namespace

Command metrics_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("metrics", "lists what `evaluate` measures, or describes one metric");
  auto arguments = std::make_shared<MetricsArguments>();
  command->add_option("name", arguments->name, "a metric, e.g. deletion")->type_name("METRIC");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->footer("Example: vitrail metrics mu_fidelity");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace vitrail::cli
