#include <vitrail/method.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "attribution/access.h"
#include "catalogue.h"
#include "command.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

using Json = nlohmann::ordered_json;

struct MethodsArguments {
  std::string name;
  bool json = false;
};

Json to_json(const MethodInfo& info) {
  return {{"name", info.name},        {"family", info.family},
          {"aliases", info.aliases},  {"summary", info.summary},
          {"formula", info.formula},  {"needs", name_of(info.access)},
          {"signed", info.is_signed}, {"unit", info.unit},
          {"cost", info.cost},        {"guarantees", info.guarantees},
          {"source", info.source},    {"options", options_to_json(info.options)}};
}

void print_method(const MethodInfo& info) {
  print_title(info.name, info.aliases, info.summary);
  print_table({{"formula", info.formula},
               {"needs", name_of(info.access) + " of the model"},
               {"map", info.unit + (info.is_signed ? ", signed" : ", unsigned")},
               {"cost", info.cost},
               {"guarantees", info.guarantees},
               {"source", info.source}});
  print_options(info.name, info.options);
}

void print_list(const std::vector<MethodInfo>& infos) {
  std::vector<std::vector<std::string>> rows;
  for (const MethodInfo& info : infos) rows.push_back({info.name, name_of(info.access), info.summary});
  print_table(rows);
}

ExitCode run(const MethodsArguments& arguments) {
  const bool one = !arguments.name.empty();
  const std::vector<MethodInfo> infos = one ? std::vector{parse_method(arguments.name)->info()} : methods();
  if (arguments.json) {
    Json list = Json::array();
    for (const MethodInfo& info : infos) list.push_back(to_json(info));
    std::cout << Json({{"format", "vitrail-methods"}, {"version", 1}, {"methods", list}}).dump(1) << '\n';
  } else if (one) {
    print_method(infos[0]);
  } else {
    print_list(infos);
  }
  return ExitCode::done;
}

}  // namespace

Command methods_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("methods", "lists the methods, or describes one with its options");
  auto arguments = std::make_shared<MethodsArguments>();
  command->add_option("name", arguments->name, "a method, e.g. sobol")->type_name("METHOD");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->footer("Example: vitrail methods sobol");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace vitrail::cli
