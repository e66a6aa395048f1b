#include <vitrail/evaluate.h>
#include <vitrail/memory.h>
#include <vitrail/saved_result.h>

#include <vitrail/sequential.h>

#include <algorithm>
#include <iostream>
#include <optional>

#include "arguments.h"
#include "base/display.h"
#include "base/text.h"
#include "command.h"
#include "evaluation/evaluation_report.h"
#include "evaluation/evaluation_run.h"
#include "evaluation/evidence.h"
#include "evaluation/score_file.h"
#include "evidence.h"
#include "failure.h"
#include "interrupt.h"
#include "plan.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  ModelArguments model;
  ImageArguments images;
  PlanArguments plan = PlanArguments::of_whole_images();
  EvidenceArguments evidence;
  std::vector<std::string> methods, metrics;
  std::string target = "top1", out = "out/evaluation", shard = "1/1";
  std::optional<uint64_t> seed;
  int64_t batch = 8, limit = 0, repeats = 1;
  double margin = 0;
  bool until_settled = false, json = false, quiet = false, force = false;
};

/// One run of `vitrail evaluate`.
class EvaluateCommand {
 public:
  explicit EvaluateCommand(const EvaluateArguments& arguments)
      : arguments_(arguments), evidence_(arguments.evidence), progress_(arguments.quiet) {}

  ExitCode run() {
    check_arguments();
    execution_.cancelled = &watch_interrupts();
    execution_.listener = &progress_;
    const Model loaded = arguments_.model.load();
    if (methods_.empty()) choose_methods(loaded);
    EvaluationRun run = describe_run(loaded);
    PlanArguments plan = arguments_.plan;
    if (arguments_.force) remove_scores();
    if (const auto former = read_evaluation_run(arguments_.out)) {
      check_same(*former, run);
      plan.replay(former->run);
    }
    const Model model = with_plan(loaded, plan);
    for (const std::string& warning : model.warnings()) say(print_warning, warning);
    if (model.plan()) run.run.engine = model.plan()->record();
    const EvaluationRun begun = begin_evaluation(arguments_.out, run);
    check_same(begun, run);
    return evaluate(model, begun);
  }

 private:
  /// Everything that can be wrong before the model is loaded.
  void check_arguments() {
    const std::string methods = join(arguments_.methods, ","), metrics = join(arguments_.metrics, ",");
    if (!methods.empty()) methods_ = parse_methods(methods, arguments_.seed);
    metrics_ = parse_metrics(metrics.empty() ? "all" : metrics, arguments_.seed);
    evidence_.check();
    drop_metrics_without_evidence(metrics.empty() || asks_for_all_metrics(metrics));
    if ((!methods.empty() && asks_for_all_methods(methods)) || metrics.empty() || asks_for_all_metrics(metrics))
      refused_ = WhereRefused::leave_out;
    check_target_syntax(arguments_.target);
    shard_ = Shard::parse(arguments_.shard);
    if (arguments_.until_settled && shard_.of > 1)
      throw UsageError("--until-settled looks at all photos in their order; it does not go with --shard.");
    execution_.batch = arguments_.batch;
    execution_.incremental = arguments_.plan.incremental == "auto";
    arguments_.model.check();
    arguments_.plan.check();
    photos_ = arguments_.images.find();
    if (arguments_.limit > 0 && static_cast<int64_t>(photos_.size()) > arguments_.limit)
      photos_.resize(static_cast<size_t>(arguments_.limit));
    check_output_folder(arguments_.out);
  }

  /// A metric that asks for what nobody gave: left out of "all", an error where it was named.
  void drop_metrics_without_evidence(bool all) {
    const auto lacks = [&](const std::unique_ptr<Metric>& metric) {
      return (metric->info().evidence == Evidence::truth && !evidence_.has_truth()) ||
             (metric->info().evidence == Evidence::human_map && !evidence_.has_human_maps());
    };
    if (all) std::erase_if(metrics_, lacks);
    for (const auto& metric : metrics_)
      if (lacks(metric))
        throw UsageError(metric->info().name + " needs " + name_of(metric->info().evidence) + ": give " +
                         (metric->info().evidence == Evidence::truth ? "--masks or --boxes." : "--human-maps."));
  }

  void choose_methods(const Model& model) {
    Target any;
    any.index = 0;
    const bool has_layers = !model.probe({any})->spatial_layers().empty();
    const std::string chosen = "saliency,integrated_gradients,smoothgrad," + std::string(has_layers ? "gradcam," : "") +
                               "occlusion,rise:masks=1000,sobol,random,edges,centre";
    methods_ = parse_methods(chosen, arguments_.seed);
    say(print_note, "no method was named, taking " + chosen + " (choose with -m; `vitrail methods` lists all)");
  }

  EvaluationRun describe_run(const Model& model) const {
    EvaluationRun run;
    run.model_path = model.graph().path();
    run.model_sha256 = model.graph().sha256();
    run.preprocess = model.preprocess().to_json();
    run.run = record_run(model, methods_, std::vector{arguments_.target}, execution_);
    arguments_.plan.describe(run.run);
    run.run.output = arguments_.model.output;
    run.run.input_size = arguments_.model.check().graph.input_size;
    run.run.exif = arguments_.images.exif;
    run.run.directory = fs::current_path().string();
    for (const auto& metric : metrics_) run.metrics.push_back(metric->canonical());
    run.masks = evidence_.masks;
    run.boxes = evidence_.boxes;
    run.human_maps = evidence_.human_maps;
    if (evidence_.has_fixations()) run.fixation_sigma = evidence_.fixation_sigma;
    run.repeats = arguments_.repeats;
    for (const Photo& photo : photos_) run.photos.push_back(photo.path.string());
    return run;
  }

  void check_same(const EvaluationRun& former, const EvaluationRun& now) const {
    const auto differences = differences_of_evaluations(former, now);
    if (!differences.empty())
      throw UsageError(arguments_.out + " holds an evaluation that differs in " + join(differences, "; ") +
                       ". Choose another folder with --out, or begin anew with --force.");
  }

  void remove_scores() const {
    for (const auto& entry : fs::directory_iterator(arguments_.out)) {
      const std::string name = entry.path().filename().string();
      if (name == "run.json" ||
          (name.ends_with(".jsonl") && (name.starts_with("scores") || name.starts_with("seconds"))))
        fs::remove(entry.path());
    }
  }

  Model with_plan(const Model& model, const PlanArguments& plan) {
    for (const Photo& photo : photos_) {
      if (!photo.problem.empty()) continue;
      try {
        const Tensor input = model.prepare(arguments_.images.read(photo.path)).input;
        // Of many photos also the methods that take one gradient gain by it.
        const bool gradients = std::any_of(methods_.begin(), methods_.end(), [](const auto& method) {
          return method->info().repeats_gradients || method->info().access == Access::gradient;
        });
        return plan.apply(model, input, gradients, execution_.batch);
      } catch (const InputError&) {
        continue;  // named when its turn comes
      }
    }
    return model;
  }

  ExitCode evaluate(const Model& model, const EvaluationRun& run) {
    ScoreWriter writer(arguments_.out, shard_);
    std::vector<PhotoEvaluation> photos = writer.former();
    if (!photos.empty())
      say(print_note, std::to_string(photos.size()) + " photos have their scores from an earlier run and are kept");
    for (size_t place = photos.empty() ? 0 : static_cast<size_t>(photos.back().place) + 1; place < photos_.size();
         ++place) {
      if (!shard_.holds(place)) continue;
      if (arguments_.until_settled && is_settled(photos)) break;
      progress_.set_subject(photos_[place].path.filename().string() + " (" + std::to_string(place + 1) + " of " +
                            std::to_string(photos_.size()) + ")");
      try {
        photos.push_back(evaluate_one(model, place));
        writer.append(photos.back());
      } catch (const CancelledError&) {
        print_error("Interrupted: the photos that are done have their scores in " + arguments_.out +
                    ". The same command goes on from here.");
        return ExitCode::interrupted;
      }
    }
    if (shard_.of > 1) {
      say(print_note, "shard " + arguments_.shard + " is done. When all are: vitrail evaluate merge " + arguments_.out);
      return ExitCode::done;
    }
    return finish(model, run, photos);
  }

  /// Whether every pair of methods is decided by every metric: looked at after 16, 32, 64 ... photos.
  bool is_settled(const std::vector<PhotoEvaluation>& photos) const {
    const auto is_look = [](size_t n) { return n >= 16 && (n & (n - 1)) == 0; };
    if (!is_look(photos.size())) return false;
    for (size_t k = 0; k < metrics_.size(); ++k) {
      std::vector<std::vector<double>> scores;
      for (size_t m = 0; m < methods_.size(); ++m) scores.push_back(scores_of(photos, m, k));
      if (!decide_sequentially(scores, {.margin = arguments_.margin}).settled) return false;
    }
    say(print_note, "all pairs of methods are decided after " + std::to_string(photos.size()) + " photos");
    return true;
  }

  PhotoEvaluation evaluate_one(const Model& model, size_t place) {
    const Photo& photo = photos_[place];
    PhotoEvaluation evaluation;
    std::string problem = photo.problem;
    if (problem.empty()) {
      try {
        const Image image = arguments_.images.read(photo.path);
        evaluation =
            evaluate_photo(model, image, methods_, metrics_, arguments_.target,
                           evidence_.of(photo.path, model.prepare(image)), execution_, refused_, arguments_.repeats);
      } catch (const InputError& error) {
        problem = error.what();
        const std::string path = photo.path.string();
        print_error(problem.find(path) == std::string::npos ? path + ": " + problem : problem);
      }
    }
    evaluation.problem = problem;
    evaluation.place = static_cast<int64_t>(place);
    evaluation.path = photo.path.string();
    return evaluation;
  }

  ExitCode finish(const Model& model, const EvaluationRun& run, const std::vector<PhotoEvaluation>& photos) {
    const Evaluation evaluation = summarise(photos, methods_, metrics_);
    const std::string json = evaluation_to_json(evaluation, run);
    progress_.set_subject("examples for the report");
    const fs::path page = write_evaluation(arguments_.out, evaluation, run,
                                           html_examples(run, photos, model, methods_, metrics_, execution_));
    if (arguments_.json)
      std::cout << json << '\n';
    else if (!arguments_.quiet)
      std::cout << evaluation.table() << "report: " << page.string() << '\n';
    if (evaluation.failed == evaluation.photos) return ExitCode::input;
    return evaluation.failed > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
  }

  void say(void (*print)(const std::string&), const std::string& message) const {
    if (!arguments_.quiet) print(message);
  }

  const EvaluateArguments& arguments_;
  EvidenceArguments evidence_;
  Progress progress_;
  Execution execution_;
  Methods methods_;
  Metrics metrics_;
  WhereRefused refused_ = WhereRefused::fail;
  Shard shard_;
  std::vector<Photo> photos_;
};

}  // namespace

Command evaluate_command(CLI::App& app) {
  CLI::App* evaluate = app.add_subcommand("evaluate", "says which method explains a model best, and how sure that is");
  auto arguments = std::make_shared<EvaluateArguments>();
  arguments->model.add_to(*evaluate);
  arguments->images.add_to(*evaluate);
  evaluate
      ->add_option("-m,--methods", arguments->methods,
                   "methods with options, e.g. gradcam,sobol:grid=8,random; all: every method that the model allows; "
                   "the controls random, edges and centre know nothing of the model")
      ->type_name("METHODS")
      ->allow_extra_args(false);
  evaluate
      ->add_option("--metric", arguments->metrics,
                   "metrics with options, e.g. deletion:steps=20,mu_fidelity; all (default): every metric that there "
                   "is evidence for")
      ->type_name("METRICS")
      ->allow_extra_args(false);
  evaluate
      ->add_option("-t,--target", arguments->target, "what is explained on every photo: top1 (default), a class, box:1")
      ->type_name("TARGET");
  arguments->plan.add_to(*evaluate);
  arguments->evidence.add_to(*evaluate);
  evaluate->add_option("-o,--out", arguments->out, "folder of the scores and the report (default: out/evaluation)")
      ->type_name("DIR");
  evaluate->add_option("--limit", arguments->limit, "only the first photos, this many")->check(CLI::PositiveNumber);
  evaluate->add_flag("--until-settled", arguments->until_settled,
                     "ends once every pair of methods is decided by every metric; looks after 16, 32, 64 ... photos");
  evaluate
      ->add_option("--margin", arguments->margin,
                   "of --until-settled: methods whose mean scores differ by less count as alike (default: 0)")
      ->check(CLI::NonNegativeNumber);
  evaluate->add_option("--seed", arguments->seed, "seed of every method and metric that does not name its own")
      ->check(CLI::NonNegativeNumber);
  evaluate
      ->add_option("--repeats", arguments->repeats,
                   "explains with every method that draws numbers this often, with other seeds, and says how much of "
                   "the spread of scores comes from the draws (default: 1)")
      ->check(CLI::Range(1, 1000));
  evaluate->add_option("--batch", arguments->batch, "samples a forward (default: 8)")->check(CLI::Range(1, 65536));
  evaluate
      ->add_option("--shard", arguments->shard,
                   "part i of n of the photos, for n processes that share the work; then: vitrail evaluate merge DIR")
      ->type_name("I/N");
  evaluate->add_flag("--force", arguments->force, "forgets the scores that are in the folder");
  evaluate->add_flag("--json", arguments->json, "one JSON document on standard output");
  evaluate->add_flag("--quiet", arguments->quiet, "only errors");
  evaluate->footer(
      "Which method should I trust on my model? Take the methods that no control beats, and of those the ones that\n"
      "the metrics agree about; the report says which differences are more than chance.\n"
      "Example: vitrail evaluate model.onnx photos/ -m gradcam,sobol,random --metric deletion,insertion,mu_fidelity\n"
      "Writes DIR/scores.jsonl (a line a photo), DIR/evaluation.json and DIR/report.html. The same command again goes\n"
      "on where it was stopped.");
  // With a command of its own there is neither model nor photo.
  for (const char* positional : {"model", "images"}) evaluate->get_option(positional)->required(false);
  const std::vector<Command> commands = {merge_command(*evaluate), cue_conflict_command(*evaluate),
                                         folds_command(*evaluate), split_command(*evaluate)};
  return {evaluate, [arguments, commands] {
            for (const Command& command : commands)
              if (command.app->parsed()) return command.run();
            if (arguments->model.path.empty() || arguments->images.paths.empty())
              throw UsageError("evaluate wants a model and photos: vitrail evaluate MODEL PHOTOS...");
            return EvaluateCommand(*arguments).run();
          }};
}

}  // namespace vitrail::cli
