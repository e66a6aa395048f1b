#include <vitrail/error.h>
#include <vitrail/fold_manifest.h>

#include <iostream>

#include "command.h"
#include "report/atomic_file.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

struct SplitArguments {
  std::string folder, out = "folds.json";
  int64_t folds = 4;
  uint64_t seed = 0;
};

ExitCode split(const SplitArguments& arguments) {
  const fs::path out = arguments.out;
  std::error_code error;
  if (!fs::is_directory(arguments.folder, error))
    throw InputError(arguments.folder + " is no folder; expected one with a folder of photos for each class.");
  if (fs::exists(out, error))
    throw UsageError(arguments.out + " exists, and models may have been trained by it: choose another name with " +
                     "--out, or remove it.");
  const FoldManifest manifest =
      split_class_folders(arguments.folder, arguments.folds, arguments.seed, out.parent_path());
  write_fold_manifest(manifest, out);
  std::cout << arguments.out << ": " << manifest.images.size() << " photos in " << arguments.folds
            << " folds. Train a model without the photos of each fold, and save it as "
            << manifest.models.front().string() << " and so on. Then: vitrail evaluate folds " << arguments.out
            << " -m METHODS\n";
  return ExitCode::done;
}

}  // namespace

Command split_command(CLI::App& evaluate) {
  CLI::App* command = evaluate.add_subcommand("split", "splits photos into folds, to train models for `folds`");
  auto arguments = std::make_shared<SplitArguments>();
  command->add_option("folder", arguments->folder, "a folder with one of photos for each class, named after the class")
      ->required()
      ->type_name("DIR");
  command->add_option("--folds", arguments->folds, "how many parts, and models (default: 4)")
      ->check(CLI::Range(2, 1000));
  command->add_option("--seed", arguments->seed, "of the random split (default: 0)")->check(CLI::NonNegativeNumber);
  command->add_option("-o,--out", arguments->out, "the file that `folds` reads (default: folds.json)")
      ->type_name("FILE");
  command->footer("Example: vitrail evaluate split photos/ --folds 4 -o folds.json");
  return {command, [arguments] { return split(*arguments); }};
}

}  // namespace vitrail::cli
