// vitrail COMMAND: the exit codes are those of vitrail/error.h.

#include <vitrail/memory.h>
#include <vitrail/version.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "base/text.h"
#include "command.h"
#include "failure.h"
#include "terminal.h"

namespace {

/// OpenMP's threads spin while they wait, which on a busy machine takes the processor from whoever they wait
/// for: two commands side by side took six times as long as one after the other. A short spin costs nothing alone.
/// The runtime reads this when it is loaded, before main, so the command starts itself again.
void spin_briefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  setenv("GOMP_SPINCOUNT", "1000", 0);
  execv("/proc/self/exe", argv);  // returns only where it cannot: then it is slower, no more
}

using namespace vitrail;
using namespace vitrail::cli;

/// CLI11 would only say that a subcommand is missing.
void check_command_name(int argc, char** argv, const std::vector<Command>& commands) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.app->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) == names.end())
    throw UsageError("there is no command '" + std::string(argv[1]) + "'. " + did_you_mean(argv[1], names));
}

ExitCode run(int argc, char** argv) {
  CLI::App app("Explains vision models: where a network looks, from an ONNX file and photos.", "vitrail");
  app.set_version_flag("--version", "vitrail " + version());
  app.require_subcommand(1);
  app.footer("Example: vitrail explain model.onnx cat.jpg -m gradcam,sobol\nHelp on a command: vitrail COMMAND --help");
  const std::vector<Command> commands = {explain_command(app),   predict_command(app),  methods_command(app),
                                         inspect_command(app),   doctor_command(app),   compare_command(app),
                                         reproduce_command(app), evaluate_command(app), metrics_command(app),
                                         completion_command(app)};
  check_command_name(argc, argv, commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::done : ExitCode::usage;
  }
  for (const Command& command : commands)
    if (command.app->parsed()) return command.run();
  throw_internal_error("a command was chosen", __FILE__, __LINE__, "");
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write, like a full disk
  spin_briefly(argv);
  use_caching_allocator();
  ExitCode code;
  try {
    code = run(argc, argv);
    if (!std::cout.flush()) throw MachineError("cannot write to standard output. Is the disk full?");
  } catch (...) {
    const Failure failure = describe_failure();
    print_error(failure.message);
    code = failure.code;
  }
  return static_cast<int>(code);
}
