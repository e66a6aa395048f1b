#include <vitrail/evaluate.h>
#include <vitrail/fold_manifest.h>
#include <vitrail/fold_study.h>
#include <vitrail/memory.h>
#include <vitrail/saved_result.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>

#include "arguments.h"
#include "base/display.h"
#include "base/text.h"
#include "command.h"
#include "evaluation/stability/fold_result.h"
#include "evaluation/stability/fold_run.h"
#include "interrupt.h"
#include "plan.h"
#include "report/atomic_file.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

struct FoldsArguments {
  ModelArguments model;
  PlanArguments plan = PlanArguments::of_whole_images();
  std::string manifest, distance = "sqrt_abs_spearman", out = "out/folds";
  std::vector<std::string> methods;
  std::optional<uint64_t> seed;
  int64_t batch = 8;
  bool strict = false, exif = false, json = false, quiet = false, force = false;
};

const std::string kNone = "-";

std::string show(double value) { return std::isnan(value) ? kNone : show_number(value); }

/// "0.71 to 0.83".
std::string show_interval(const BootstrapInterval& interval) {
  return interval.reason.empty() ? show_number(interval.low) + " to " + show_number(interval.high) : kNone;
}

/// One run of `vitrail evaluate folds`.
class FoldsCommand {
 public:
  explicit FoldsCommand(const FoldsArguments& arguments) : arguments_(arguments), progress_(arguments.quiet) {}

  ExitCode run() {
    check_arguments();
    execution_.cancelled = &watch_interrupts();
    execution_.listener = &progress_;
    try {
      look_at_models();
      begin();
      for (size_t fold = 0; fold < manifest_.models.size(); ++fold) explain_by_model(fold);
      return finish();
    } catch (const CancelledError&) {
      print_error("Interrupted: the maps that are done are in " + arguments_.out +
                  ". The same command goes on from here.");
      return ExitCode::interrupted;
    }
  }

 private:
  /// Everything that can be wrong before a model is loaded.
  void check_arguments() {
    const std::string methods = join(arguments_.methods, ",");
    methods_ = parse_methods(methods, arguments_.seed);
    if (asks_for_all_methods(methods)) refused_ = WhereRefused::leave_out;
    refusals_.resize(methods_.size());
    result_.options = {.distance = parse_map_distance(arguments_.distance), .strict = arguments_.strict};
    result_.manifest = arguments_.manifest;
    execution_.batch = arguments_.batch;
    execution_.incremental = arguments_.plan.incremental == "auto";
    manifest_ = read_fold_manifest(arguments_.manifest);
    model_at(0).check();
    arguments_.plan.check();
    check_output_folder(arguments_.out);
  }

  ModelArguments model_at(size_t fold) const {
    ModelArguments model = arguments_.model;
    model.path = manifest_.models[fold].string();
    return model;
  }

  /// Every model and photo once, before hours are spent on the first ones: what each is, and that they go together.
  void look_at_models() {
    for (size_t fold = 0; fold < manifest_.models.size(); ++fold) {
      progress_.set_subject(manifest_.models[fold].filename().string());
      const Model model = model_at(fold).load();
      for (const std::string& warning : model.warnings())
        say(print_warning, manifest_.models[fold].string() + ": " + warning);
      check_model(model);
      if (fold == 0) look_at_photos(model);
      classes_of_labels(model, images_);
      run_.models.push_back({manifest_.models[fold].string(), model.graph().sha256()});
    }
  }

  void check_model(const Model& model) {
    if (model.output_kind() != OutputKind::logits)
      throw ModelError(model.graph().path() + " gives " + to_string(model.output_kind()) +
                       "; expected a classifier: what is right or wrong is a class.");
    if (run_.preprocess.empty()) run_.preprocess = model.preprocess().to_json();
    if (model.preprocess().to_json() != run_.preprocess)
      throw ModelError(model.graph().path() + " and " + manifest_.models[0].string() +
                       " prepare photos differently, so that their maps cannot be compared. Give all models one "
                       "record: --preprocess.");
  }

  void look_at_photos(const Model& model) {
    const auto total = static_cast<int64_t>(manifest_.images.size());
    progress_.on_begin("photos", total);
    for (const FoldImage& image : manifest_.images) {
      if (*execution_.cancelled) throw CancelledError();
      FoldRun::OfImage found{.image = image, .sha256 = {}, .problem = {}};
      try {
        const Image photo = read(image.path);
        example_ = model.prepare(photo).input;
        found.sha256 = photo.sha256;
        images_.push_back(image);
      } catch (const InputError& error) {
        found.problem = error.what();
        print_error(found.problem);
      }
      run_.images.push_back(std::move(found));
      progress_.on_progress(static_cast<int64_t>(run_.images.size()), total);
    }
    progress_.on_end();
    if (images_.empty()) throw InputError("none of the photos of " + arguments_.manifest + " can be used.");
  }

  /// The plan is made once, on the first model, and taken for all: they are of one kind, and a resumption times
  /// nothing.
  void begin() {
    const Model model = model_at(0).load();
    run_.run = record_run(model, methods_, std::vector<std::string>{"label"}, execution_);
    arguments_.plan.describe(run_.run);
    run_.run.output = arguments_.model.output;
    run_.run.input_size =
        arguments_.model.input_size.empty() ? std::vector<int64_t>() : model_at(0).check().graph.input_size;
    run_.run.exif = arguments_.exif;
    run_.run.directory = fs::current_path().string();
    if (arguments_.force) remove_fold_run(arguments_.out);
    if (const auto former = read_fold_run(arguments_.out)) {
      check_same(*former);
      run_.run = former->run;
      say(print_note, "going on with the maps that are in " + arguments_.out);
    } else if (sends_samples()) {
      const Model planned = arguments_.plan.apply(model, example_, repeats_gradients(), execution_.batch);
      for (size_t i = model.warnings().size(); i < planned.warnings().size(); ++i)
        say(print_warning, planned.warnings()[i]);
      if (planned.plan()) run_.run.engine = planned.plan()->record();
    }
    run_ = begin_fold_run(arguments_.out, run_);
  }

  void check_same(const FoldRun& former) const {
    const auto differences = differences_of_fold_runs(former, run_);
    if (!differences.empty())
      throw UsageError(arguments_.out + " holds a study that differs in " + join(differences, "; ") +
                       ". Choose another folder with --out, or begin anew with --force.");
  }

  bool sends_samples() const {
    return std::any_of(methods_.begin(), methods_.end(), [](const auto& method) { return method->info().uses_plan(); });
  }
  bool repeats_gradients() const {
    return std::any_of(methods_.begin(), methods_.end(),
                       [](const auto& method) { return method->info().repeats_gradients; });
  }

  void explain_by_model(size_t fold) {
    release_kept_memory();  // of the model before
    Model model = model_at(fold).load();
    if (sends_samples()) {
      PlanArguments plan = arguments_.plan;
      plan.replay(run_.run);
      model = plan.apply(model, example_, repeats_gradients(), execution_.batch);
    }
    FoldData data;
    data.labels = classes_of_labels(model, images_);
    data.image = [&](int64_t i) { return announce_and_read(fold, static_cast<size_t>(i)); };
    const auto images = static_cast<int64_t>(images_.size());
    const Tensor classes = kept_array(arguments_.out / fold_predictions_file(fold), images,
                                      [&] { return at::tensor(predict_classes(model, data, execution_), at::kLong); });
    correct_.push_back(classes.to(at::kLong) == at::tensor(data.labels, at::kLong));
    for (size_t m = 0; m < methods_.size(); ++m) {
      try {
        kept_array(maps_file(m, fold), images, [&] { return explain_labels(model, data, *methods_[m], execution_); });
      } catch (const UsageError& error) {
        leave_out(m, error);
      } catch (const ModelError& error) {
        leave_out(m, error);
      }
    }
  }

  /// Where the list says "all": a method that a model does not allow.
  void leave_out(size_t method, const Error& error) {
    if (refused_ == WhereRefused::fail) throw;
    refusals_[method] = error.what();
  }

  fs::path maps_file(size_t method, size_t fold) const {
    return arguments_.out / fold_maps_file(method, methods_[method]->info().name, fold);
  }

  Image announce_and_read(size_t fold, size_t image) {
    progress_.set_subject(manifest_.models[fold].filename().string() + ", " + images_[image].path.filename().string() +
                          " (" + std::to_string(image + 1) + " of " + std::to_string(images_.size()) + ")");
    return read(images_[image].path);
  }

  Image read(const fs::path& path) const {
    DecodeOptions options;
    options.apply_exif_orientation = arguments_.exif;
    return read_image(path, options);
  }

  ExitCode finish() {
    FoldMaps study;
    study.correct = at::stack(correct_);
    for (const FoldImage& image : images_) study.folds.push_back(image.fold);
    for (size_t fold = 0; fold < manifest_.models.size(); ++fold)
      result_.models.push_back(fold_accuracy(study, static_cast<int64_t>(fold)));
    for (size_t m = 0; m < methods_.size(); ++m) result_.methods.push_back(compare_maps(m, study));
    const std::string json = result_.to_json(run_);
    const fs::path file = fs::path(arguments_.out) / "folds-result.json";
    write_file(file, json);
    if (arguments_.json)
      std::cout << json << '\n';
    else if (!arguments_.quiet)
      print_result(file);
    return images_.size() < manifest_.images.size() ? ExitCode::some_inputs_failed : ExitCode::done;
  }

  FoldMethodResult compare_maps(size_t method, FoldMaps& study) {
    FoldMethodResult found{.method = methods_[method]->canonical(), .name = methods_[method]->info().name};
    found.refused = refusals_[method];
    if (!found.refused.empty()) return found;
    const auto images = static_cast<int64_t>(images_.size());
    study.maps.clear();
    for (size_t fold = 0; fold < manifest_.models.size(); ++fold)
      study.maps.push_back(read_array(maps_file(method, fold), images));
    progress_.set_subject(found.name);
    const std::vector<FoldPair> pairs = fold_pairs(study, result_.options.distance, execution_);
    found.distances_file = fold_distances_file(method, found.name, result_.options.distance).string();
    write_file(arguments_.out / fs::path(found.distances_file), fold_distances_csv(pairs, images_));
    found.scores = mege_of_pairs(pairs, result_.options.strict);
    found.intervals = mege_intervals(pairs, images, result_.options.strict, result_.bootstrap);
    return found;
  }

  void print_result(const fs::path& file) const {
    std::vector<std::vector<std::string>> rows = {
        {"method", "MeGe", "interval", "ReCo", "interval", "threshold", "equal", "different", "undefined"}};
    for (const FoldMethodResult& method : result_.methods) {
      const Mege& scores = method.scores;
      if (method.refused.empty())
        rows.push_back({method.name, show(scores.mege), show_interval(method.intervals.mege), show(scores.reco),
                        show_interval(method.intervals.reco), show(scores.threshold), std::to_string(scores.equal),
                        std::to_string(scores.different), std::to_string(scores.undefined)});
    }
    print_table(rows);
    std::cout << '\n';
    rows = {{"model", "right", "of those it was trained without"}};
    for (size_t fold = 0; fold < result_.models.size(); ++fold) {
      const FoldAccuracy& accuracy = result_.models[fold];
      rows.push_back({run_.models[fold].path, show_part(accuracy.right, accuracy.images),
                      show_part(accuracy.right_held_out, accuracy.held_out)});
    }
    print_table(rows);
    std::cout << '\n';
    for (const FoldMethodResult& method : result_.methods) print_reasons(method);
    std::cout << "distance: " << arguments_.distance << "; MeGe is comparable within one distance only\n"
              << "result: " << file.string() << '\n';
  }

  static std::string show_part(int64_t part, int64_t whole) {
    const double share = static_cast<double>(part) / static_cast<double>(whole);
    return show_share(share) + " (" + std::to_string(part) + " of " + std::to_string(whole) + ")";
  }

  static void print_reasons(const FoldMethodResult& method) {
    const auto say_why = [&](const std::string& what, const std::string& why) {
      if (!why.empty()) std::cout << method.name << " has no " << what << ": " << why << '\n';
    };
    say_why("scores", method.refused);
    say_why("MeGe", method.scores.mege_reason);
    say_why("ReCo", method.scores.reco_reason);
    if (method.scores.mege_reason.empty()) say_why("interval of MeGe", method.intervals.mege.reason);
    if (method.scores.reco_reason.empty()) say_why("interval of ReCo", method.intervals.reco.reason);
  }

  void say(void (*print)(const std::string&), const std::string& message) const {
    if (!arguments_.quiet) print(message);
  }

  const FoldsArguments& arguments_;
  Progress progress_;
  Execution execution_;
  Methods methods_;
  WhereRefused refused_ = WhereRefused::fail;
  std::vector<std::string> refusals_;  ///< of each method, why a model does not allow it
  FoldManifest manifest_;
  FoldRun run_;
  std::vector<FoldImage> images_;  ///< that can be used
  Tensor example_;                 ///< one of them, prepared
  Tensors correct_;                ///< of each model, bool [N]
  FoldResult result_;
};

}  // namespace

Command folds_command(CLI::App& evaluate) {
  CLI::App* command =
      evaluate.add_subcommand("folds", "MeGe and ReCo: do models that were trained on other photos explain alike?");
  auto arguments = std::make_shared<FoldsArguments>();
  command
      ->add_option("manifest", arguments->manifest,
                   "models, photos, labels and folds, JSON: docs/evaluation.md; `vitrail evaluate split` writes one")
      ->required()
      ->type_name("MANIFEST");
  command
      ->add_option("-m,--methods", arguments->methods,
                   "methods with options, e.g. gradcam,sobol:grid=8,random; all: every method that the models allow")
      ->required()
      ->type_name("METHODS")
      ->allow_extra_args(false);
  command
      ->add_option("--distance", arguments->distance,
                   "between two maps (default: sqrt_abs_spearman); MeGe is comparable within one only")
      ->check(CLI::IsMember(map_distances()));
  command->add_flag("--strict", arguments->strict, "distances that equal ReCo's threshold count on neither side");
  arguments->model.add_options_to(*command);
  command->add_flag("--exif", arguments->exif, "turn photos as their EXIF orientation says");
  arguments->plan.add_to(*command);
  command->add_option("-o,--out", arguments->out, "folder of maps, distances and the result (default: out/folds)")
      ->type_name("DIR");
  command->add_option("--seed", arguments->seed, "seed of every method that does not name its own")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--batch", arguments->batch, "samples a forward (default: 8)")->check(CLI::Range(1, 65536));
  command->add_flag("--force", arguments->force, "forgets the maps that are in the folder");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->add_flag("--quiet", arguments->quiet, "only errors");
  command->footer(
      "MeGe near 1: models that are right explain alike. ReCo near 1: maps of a model that is wrong are told from "
      "those\n"
      "of one that is right. Look at both: a map that does not ask the model has MeGe 1 and ReCo 0.\n"
      "Example: vitrail evaluate folds folds.json -m gradcam,saliency,edges\n"
      "Writes DIR/NN-METHOD-without-K.npy (maps), NN-METHOD-DISTANCE.csv and folds-result.json. The same command "
      "again\n"
      "goes on where it was stopped.");
  return {command, [arguments] { return FoldsCommand(*arguments).run(); }};
}

}  // namespace vitrail::cli
