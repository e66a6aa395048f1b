#include <ATen/TensorOperators.h>
#include <vitrail/memory.h>
#include <vitrail/report.h>
#include <vitrail/saved_result.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "arguments.h"
#include "base/display.h"
#include "base/text.h"
#include "command.h"
#include "failure.h"
#include "interrupt.h"
#include "plan.h"
#include "resume.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int64_t kBatchOnDevice = 64;  ///< with few samples most of a GPU is idle

struct ExplainArguments {
  ModelArguments model;
  ImageArguments images;
  PlanArguments plan;
  std::vector<std::string> methods, targets;
  std::string out = "out", budget, shard = "1/1";
  std::optional<uint64_t> seed;
  int64_t batch = 0;  ///< 0: as many as suit the device
  bool dry_run = false, json = false, quiet = false, force = false;
};

/// The largest standard error beside the range of the map's values, for methods that sample.
std::string show_error(const Explanation& e) {
  if (!e.standard_error.defined()) return "";
  const double range = (e.map.max() - e.map.min()).item<double>();
  return range > 0 ? "+- " + show_share(e.standard_error.max().item<double>() / range) + " of the range" : "";
}

void print_result(const ImageResult& result, const Report::Written& written) {
  std::cout << result.image.path << "\n";
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < result.explanations.size(); ++i) {
    const Explanation& e = result.explanations[i];
    rows.push_back({e.name, e.target.title(), e.target.unit_name() + " " + show_number(e.score),
                    show_cost(e.forwards, e.backwards), show_duration(e.seconds), show_error(e),
                    (written.folder / written.files[i].overlay).string(), e.partial ? "partial" : ""});
  }
  print_table(rows, "  ");
}

void print_warnings(const ImageResult& result) {
  for (const Explanation& e : result.explanations)
    for (const std::string& warning : e.warnings)
      print_warning(result.image.path + ", " + e.name + ", " + e.target.title() + ": " + warning);
}

std::string name_of(const std::string& method) { return method.substr(0, method.find(':')); }

/// One run of `vitrail explain`.
class ExplainCommand {
 public:
  explicit ExplainCommand(const ExplainArguments& arguments) : arguments_(arguments), progress_(arguments.quiet) {}

  ExitCode run() {
    check_arguments();
    if (tasks_.empty()) {
      say(print_note, "shard " + arguments_.shard + " holds none of the photos: there is nothing to do");
      return ExitCode::done;
    }
    const std::atomic<bool>& cancelled = watch_interrupts();
    execution_.cancelled = &cancelled;
    execution_.listener = &progress_;
    const Model loaded = arguments_.model.load();
    if (methods_.empty()) {
      const std::string chosen = default_methods(loaded);
      methods_ = parse_methods(chosen, arguments_.seed);
      say(print_note, "no method was named, taking " + chosen + " (choose with -m; `vitrail methods` lists all)");
    }
    fit_batch(loaded);
    if (arguments_.dry_run) return estimate(with_plan(loaded));
    run_ = describe_run(loaded);
    if (!arguments_.force) find_former_results(tasks_, arguments_.out, loaded, run_);
    for (const std::string& note : describe_former_results(tasks_)) say(print_note, note);
    const Model model = with_plan(loaded);
    for (const std::string& warning : model.warnings()) say(print_warning, warning);
    return explain(model);
  }

 private:
  /// Everything that can be wrong before the model is loaded.
  void check_arguments() {
    const std::string list = join(arguments_.methods, ",");
    if (!arguments_.methods.empty()) methods_ = parse_methods(list, arguments_.seed);
    if (!arguments_.methods.empty() && asks_for_all_methods(list)) refused_ = WhereRefused::leave_out;
    targets_ = arguments_.targets.empty() ? std::vector<std::string>{"top1"} : arguments_.targets;
    for (const std::string& target : targets_) check_target_syntax(target);
    if (!arguments_.budget.empty()) execution_.budget = Budget::parse(arguments_.budget);
    const bool on_cpu = arguments_.model.device == "cpu";
    execution_.batch = arguments_.batch > 0 ? arguments_.batch : on_cpu ? Execution().batch : kBatchOnDevice;
    const Shard shard = Shard::parse(arguments_.shard);
    arguments_.model.check();
    arguments_.plan.check();
    tasks_ = tasks_of(arguments_.images.find(), shard);
    if (!arguments_.dry_run) check_output_folder(arguments_.out);
  }

  /// What every result of this run records of it.
  RunRecord describe_run(const Model& model) const {
    RunRecord run = record_run(model, methods_, targets_, execution_);
    if (sends_samples()) arguments_.plan.describe(run);
    run.budget = arguments_.budget;
    run.output = arguments_.model.output;
    run.input_size = arguments_.model.check().graph.input_size;
    run.exif = arguments_.images.exif;
    run.directory = fs::current_path().string();
    return run;
  }

  bool sends_samples() const {
    return std::any_of(methods_.begin(), methods_.end(), [](const auto& method) { return method->info().uses_plan(); });
  }

  /// Within --memory: the samples of a batch, with what methods hold beside them, take an eighth of the room at most.
  /// What the network holds for them is found out as it runs.
  void fit_batch(const Model& model) {
    if (arguments_.model.memory_limit() == 0) return;
    const Preprocess& size = model.preprocess();
    const auto sample = static_cast<int64_t>(sizeof(float)) * size.channels() * size.height * size.width;
    const int64_t room = arguments_.model.memory_limit() - memory_use().resident;
    execution_.batch = std::clamp<int64_t>(room / 8 / sample, 1, execution_.batch);
  }

  /// With a plan, made on the first photo that can be read, where a method sends samples through the model: the plan of
  /// an earlier run of the same command, if there was one.
  Model with_plan(const Model& model) {
    if (!sends_samples()) return model;
    PlanArguments plan = arguments_.plan;
    if (const auto former = first_former_plan(tasks_)) plan.replay(*former);
    for (const Task& task : tasks_) {
      if (!task.is_open()) continue;
      try {
        const Tensor input = model.prepare(arguments_.images.read(task.photo.path)).input;
        const bool gradients = std::any_of(methods_.begin(), methods_.end(),
                                           [](const auto& method) { return method->info().repeats_gradients; });
        return plan.apply(model, input, gradients, execution_.batch);
      } catch (const InputError&) {
        continue;  // named when its turn comes
      }
    }
    return model;
  }

  ExitCode explain(const Model& model) {
    Report report(arguments_.out, model);
    for (size_t i = 0; i < tasks_.size() && !interrupted(); ++i) {
      const Task& task = tasks_[i];
      progress_.set_subject(task.photo.path.filename().string() + " (" + std::to_string(i + 1) + " of " +
                            std::to_string(tasks_.size()) + ")");
      if (task.former.result) {
        ++done_;
        add_document(task.former.result->text);
      } else if (!task.photo.problem.empty()) {
        fail(report, task, task.photo.problem);
      } else {
        try {
          explain_photo(model, task, report);
        } catch (const InputError& error) {
          print_error(error.what());
          fail(report, task, error.what());
        }
      }
    }
    if (interrupted()) interrupt(report);
    const fs::path page = report.finish();
    if (arguments_.json)
      std::cout << "{\"format\": \"vitrail-explain\", \"version\": 1, \"report\": "
                << Json(page.string()).dump(-1, ' ', false, Json::error_handler_t::replace) << ",\n\"images\": ["
                << documents_ << "]}\n";
    else if (!arguments_.quiet)
      std::cout << "report: " << page.string() << '\n';
    return exit_code();
  }

  void explain_photo(const Model& model, const Task& task, Report& report) {
    ImageResult result =
        explain_image(model, arguments_.images.read(task.photo.path), methods_, targets_, execution_, refused_);
    const auto engine = result.run.engine;
    result.run = run_;
    result.run.engine = engine;
    const Report::Written written = report.add(result, task.folder);
    ++done_;
    add_document(written.json);
    if (arguments_.quiet) return;
    print_notes(result);
    print_warnings(result);
    if (!arguments_.json) print_result(result, written);
  }

  /// Once a run: methods of `-m all` that this model does not allow, and the layers that could have been chosen.
  void print_notes(const ImageResult& result) {
    for (const auto& [method, reason] : result.not_applicable)
      print_once(name_of(method) + " does not apply: " + reason);
    for (const Explanation& e : result.explanations) {
      const auto layer = e.plan.find("layer"), others = e.plan.find("layer_alternatives");
      if (layer != e.plan.end() && others != e.plan.end() && !others->second.empty())
        print_once(e.name + " took the layer " + layer->second + "; others: " + others->second + " (" + e.name +
                   ":layer=NAME)");
    }
  }

  void print_once(const std::string& note) {
    if (printed_.insert(note).second) print_note(note);
  }

  void fail(Report& report, const Task& task, const std::string& problem) {
    ++failed_;
    report.add_failure(task.photo.path, problem, task.folder);
    const Json json = {{"path", task.photo.path.string()}, {"error", problem}};
    add_document(json.dump(1, ' ', false, Json::error_handler_t::replace));
  }

  void interrupt(Report& report) {
    const std::string note = "Interrupted: " + std::to_string(done_) + " of " + std::to_string(tasks_.size()) +
                             " photos have results; what is unfinished in them is marked as partial. The same command "
                             "goes on from here.";
    report.add_note(note);
    print_error(note);
  }

  /// The cost of the first photo that can be read stands for all.
  ExitCode estimate(const Model& model) {
    for (const Task& task : tasks_) {
      if (!task.photo.problem.empty()) continue;
      try {
        const Image image = arguments_.images.read(task.photo.path);
        print_estimate(estimate_explanations(model, image, methods_, targets_, execution_));
        return ExitCode::done;
      } catch (const InputError& error) {
        print_error(error.what());
      }
    }
    return ExitCode::input;
  }

  void print_estimate(const Estimate& estimate) {
    const auto photos =
        std::count_if(tasks_.begin(), tasks_.end(), [](const Task& task) { return task.photo.problem.empty(); });
    const double total = estimate.seconds() * static_cast<double>(photos);
    if (arguments_.json) {
      Json methods = Json::array();
      for (const MethodEstimate& method : estimate.methods)
        methods.push_back({{"method", method.method},
                           {"forwards", method.forwards},
                           {"backwards", method.backwards},
                           {"seconds", method.seconds}});
      std::cout << Json({{"format", "vitrail-estimate"},
                         {"version", 1},
                         {"images", photos},
                         {"targets", estimate.targets},
                         {"seconds_per_forward", estimate.seconds_per_forward},
                         {"methods", methods},
                         {"seconds", total}})
                       .dump(1)
                << '\n';
      return;
    }
    std::vector<std::vector<std::string>> rows;
    for (const MethodEstimate& method : estimate.methods)
      rows.push_back({method.method, show_cost(method.forwards, method.backwards), show_duration(method.seconds)});
    print_table(rows);
    std::cout << "one forward takes " << show_number(1000 * estimate.seconds_per_forward) << " ms here; " << photos
              << (photos == 1 ? " photo, " : " photos, ") << estimate.targets
              << (estimate.targets == 1 ? " target" : " targets") << ": about " << show_duration(total) << '\n';
  }

  void say(void (*print)(const std::string&), const std::string& message) const {
    if (!arguments_.quiet) print(message);
  }

  void add_document(const std::string& json) {
    if (arguments_.json) documents_ += (documents_.empty() ? "\n" : ",\n") + json;
  }

  bool interrupted() const { return execution_.cancelled->load(); }

  ExitCode exit_code() const {
    if (interrupted()) return ExitCode::interrupted;
    if (done_ == 0) return ExitCode::input;
    return failed_ > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
  }

  const ExplainArguments& arguments_;
  Progress progress_;
  Execution execution_;
  Methods methods_;
  std::vector<std::string> targets_;
  WhereRefused refused_ = WhereRefused::fail;
  std::vector<Task> tasks_;
  RunRecord run_;
  size_t done_ = 0, failed_ = 0;
  std::set<std::string> printed_;
  std::string documents_;  ///< result documents, for --json
};

}  // namespace

Command explain_command(CLI::App& app) {
  CLI::App* explain = app.add_subcommand("explain", "shows where a network looks, on photos");
  auto arguments = std::make_shared<ExplainArguments>();
  arguments->model.add_to(*explain);
  arguments->images.add_to(*explain);
  explain
      ->add_option("-m,--methods", arguments->methods,
                   "methods with options, e.g. sobol:grid=8,designs=16,rise; all: every method that the model allows")
      ->type_name("METHODS")
      ->allow_extra_args(false);
  explain
      ->add_option("-t,--target", arguments->targets,
                   "what to explain: top1 (default), topK, a class index or label, prob:T, A-vs-B, box:N, "
                   "rect:x0:y0:x1:y1, zone:x:y, mask:FILE, out:N, similar:FILE; repeatable")
      ->type_name("TARGET")
      ->allow_extra_args(false);
  arguments->plan.add_to(*explain);
  explain->add_option("-o,--out", arguments->out, "folder of the results (default: out)")->type_name("DIR");
  explain->add_option("--seed", arguments->seed, "seed of every sampling method that does not name its own")
      ->check(CLI::NonNegativeNumber);
  explain->add_option("--budget", arguments->budget, "limit of each method: 2000forwards or 30s")->type_name("LIMIT");
  explain->add_option("--batch", arguments->batch, "samples a forward (default: 8, on CUDA devices 64)")
      ->check(CLI::Range(1, 65536));
  explain
      ->add_option("--shard", arguments->shard, "part i of n of the photos, for n processes that share the work: i/n")
      ->type_name("I/N");
  explain->add_flag("--force", arguments->force, "computes photos again whose results are in the folder");
  explain->add_flag("--dry-run", arguments->dry_run, "only say what it would cost");
  explain->add_flag("--json", arguments->json, "one JSON document on standard output");
  explain->add_flag("--quiet", arguments->quiet, "only errors");
  explain->footer(
      "Example: vitrail explain model.onnx cat.jpg dog.jpg -m gradcam,sobol:grid=8 -t top1 -t \"tabby cat\" -o out\n"
      "Example: vitrail explain model.onnx photos/ -m all -o out --shard 2/8\n"
      "Writes DIR/PHOTO/result.json, maps and overlays for each photo, and DIR/report.html over all of them. The same\n"
      "command again keeps what is done, computes the rest, and says which results were of other settings.");
  return {explain, [arguments] { return ExplainCommand(*arguments).run(); }};
}

}  // namespace vitrail::cli
