#pragma once

// The subcommands: each file adds one to the application and says what to run when it was chosen.
// A command parses, calls the library and prints: results on standard output, all else on standard error.

#include <vitrail/error.h>

#include <CLI/CLI.hpp>
#include <functional>

namespace vitrail::cli {

struct Command {
  CLI::App* app;
  std::function<ExitCode()> run;
};

Command explain_command(CLI::App& app);
Command predict_command(CLI::App& app);
Command methods_command(CLI::App& app);
Command inspect_command(CLI::App& app);
Command doctor_command(CLI::App& app);
Command compare_command(CLI::App& app);
Command reproduce_command(CLI::App& app);
Command metrics_command(CLI::App& app);
Command evaluate_command(CLI::App& app);
/// Commands of `vitrail evaluate`.
Command merge_command(CLI::App& evaluate);
Command cue_conflict_command(CLI::App& evaluate);
Command folds_command(CLI::App& evaluate);
Command split_command(CLI::App& evaluate);
/// `app`: what is completed are its commands and options, so it is added last.
Command completion_command(CLI::App& app);

}  // namespace vitrail::cli
