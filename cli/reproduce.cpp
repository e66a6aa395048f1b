#include <vitrail/memory.h>
#include <vitrail/reproduce.h>

#include <ATen/Parallel.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/display.h"
#include "command.h"
#include "interrupt.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ReproduceArguments {
  std::string result;
  ReproduceOptions options;
  int threads = 0;
  bool json = false, quiet = false;
};

std::string verdict(const ReproducedMap& map) {
  if (!map.problem.empty()) return "not compared: " + map.problem;
  if (map.same_bytes) return "same bytes";
  const double share = map.range > 0 ? map.max_difference / map.range : INFINITY;
  return (map.same ? "same, differs by at most " : "differs by up to ") + show_number(map.max_difference) + ", " +
         show_number(share) + " of the range";
}

void print_json(const ReproduceArguments& arguments, const Reproduction& reproduction) {
  Json maps = Json::array();
  for (const ReproducedMap& map : reproduction.maps)
    maps.push_back({{"method", map.method},
                    {"target", map.target.slug()},
                    {"same", map.same},
                    {"same_bytes", map.same_bytes},
                    {"max_difference", std::isfinite(map.max_difference) ? Json(map.max_difference) : Json(nullptr)},
                    {"range", map.range},
                    {"problem", map.problem.empty() ? Json(nullptr) : Json(map.problem)}});
  std::cout << Json({{"format", "vitrail-reproduction"},
                     {"version", 1},
                     {"result", arguments.result},
                     {"same", reproduction.same()},
                     {"tolerance", arguments.options.tolerance},
                     {"differences", reproduction.differences},
                     {"maps", maps}})
                   .dump(1, ' ', false, Json::error_handler_t::replace)
            << '\n';
}

void print(const Reproduction& reproduction) {
  for (const std::string& difference : reproduction.differences) std::cout << difference << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const ReproducedMap& map : reproduction.maps)
    rows.push_back({map.method.substr(0, map.method.find(':')), map.target.title(), verdict(map)});
  print_table(rows);
  std::cout << (reproduction.same() ? "reproduced\n" : "not reproduced\n");
}

ExitCode run(const ReproduceArguments& arguments) {
  std::error_code error;
  const fs::path path = fs::is_directory(arguments.result, error) ? fs::path(arguments.result) / "result.json"
                                                                  : fs::path(arguments.result);
  const SavedResult saved = read_result(path);
  const int64_t threads = arguments.threads > 0 ? arguments.threads : saved.run.threads;
  if (threads > 0 && threads <= 4096) at::set_num_threads(static_cast<int>(threads));
  Progress progress(arguments.quiet);
  progress.set_subject(fs::path(saved.image_path).filename().string());
  const std::atomic<bool>& cancelled = watch_interrupts();
  Execution execution;
  execution.listener = &progress;
  execution.cancelled = &cancelled;
  const Reproduction reproduction = reproduce(saved, arguments.options, execution);
  if (cancelled) {
    print_error("Interrupted: nothing can be said of the result.");
    return ExitCode::interrupted;
  }
  if (arguments.json)
    print_json(arguments, reproduction);
  else
    print(reproduction);
  return reproduction.same() ? ExitCode::done : ExitCode::some_inputs_failed;
}

}  // namespace

Command reproduce_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("reproduce", "computes a result again and says what differs");
  auto arguments = std::make_shared<ReproduceArguments>();
  command->add_option("result", arguments->result, "a result.json, or the folder with it")
      ->required()
      ->type_name("RESULT");
  command->add_option("--model", arguments->options.model, "where the model is now (default: where it was)")
      ->type_name("MODEL");
  command->add_option("--image", arguments->options.image, "where the photo is now (default: where it was)")
      ->type_name("IMAGE");
  command->add_option("--tolerance", arguments->options.tolerance, "share of a map's range that may differ (1e-5)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--threads", arguments->threads, "threads of the arithmetic (default: as recorded)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--device", arguments->options.device, "cpu, cuda or cuda:N (default: as recorded)")
      ->type_name("DEVICE");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->footer(
      "Example: vitrail reproduce out/cat/result.json\n"
      "Exit code 0: model and photo are those of the record and every map is the same; 1: something differs.");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace vitrail::cli
