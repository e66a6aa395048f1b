#include <vitrail/error.h>
#include <vitrail/evaluate.h>

#include <iostream>
#include <optional>

#include "base/text.h"
#include "command.h"
#include "evaluation/evaluation_report.h"
#include "evaluation/evaluation_run.h"
#include "evaluation/score_file.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

struct MergeArguments {
  std::vector<std::string> folders;
  std::string out;  ///< empty: the first folder
  bool json = false;
};

/// What all the folders were asked for.
EvaluationRun common_run(const std::vector<fs::path>& folders) {
  std::optional<EvaluationRun> run;
  for (const fs::path& folder : folders) {
    const auto found = read_evaluation_run(folder);
    if (!found)
      throw InputError(folder.string() + " holds no evaluation; expected a folder that `vitrail evaluate` wrote.");
    if (!run) run = found;
    const auto differences = differences_of_evaluations(*run, *found);
    if (!differences.empty())
      throw UsageError(folders[0].string() + " and " + folder.string() + " hold evaluations that differ in " +
                       join(differences, "; ") + ". Only shards of one evaluation can be merged.");
  }
  return *run;
}

ExitCode merge(const MergeArguments& arguments) {
  const std::vector<fs::path> folders(arguments.folders.begin(), arguments.folders.end());
  const EvaluationRun run = common_run(folders);
  const auto photos = read_scores(folders, run.photos.size());
  const fs::path out = arguments.out.empty() ? folders[0] : fs::path(arguments.out);
  check_output_folder(out);
  begin_evaluation(out, run);
  write_scores(out, photos);
  const Evaluation evaluation =
      summarise(photos, parse_methods(join(run.run.methods, ",")), parse_metrics(join(run.metrics, ",")));
  const fs::path page = write_evaluation(out, evaluation, run, "");
  if (arguments.json)
    std::cout << evaluation_to_json(evaluation, run) << '\n';
  else
    std::cout << evaluation.table() << "report: " << page.string() << '\n';
  return evaluation.failed > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
}

}  // namespace

Command merge_command(CLI::App& evaluate) {
  CLI::App* command = evaluate.add_subcommand("merge", "puts the shards of an evaluation together");
  auto arguments = std::make_shared<MergeArguments>();
  command->add_option("folders", arguments->folders, "what `vitrail evaluate --shard` wrote; shards may share a folder")
      ->required()
      ->type_name("DIR");
  command->add_option("-o,--out", arguments->out, "folder of the whole (default: the first one)")->type_name("DIR");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->footer("Example: vitrail evaluate merge out/evaluation");
  return {command, [arguments] { return merge(*arguments); }};
}

}  // namespace vitrail::cli
