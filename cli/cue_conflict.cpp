#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>
#include <vitrail/cue_conflict.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "base/display.h"
#include "base/json_values.h"
#include "command.h"
#include "interrupt.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct CueConflictArguments {
  ModelArguments model;
  std::string folder, categories, responses;
  bool json = false, quiet = false;
};

/// The images of a folder and of the folders in it.
std::vector<fs::path> images_in(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw InputError(folder.string() + " is no folder; expected one of images such as airplane4-car1.png.");
  std::vector<fs::path> images;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory()) {
      const std::vector<fs::path> inside = photos_in(entry.path());
      images.insert(images.end(), inside.begin(), inside.end());
    }
  const std::vector<fs::path> top = photos_in(folder);
  images.insert(images.end(), top.begin(), top.end());
  if (images.empty()) throw InputError(folder.string() + " holds no images (.jpg, .jpeg, .png, .webp).");
  std::sort(images.begin(), images.end());
  return images;
}

std::string name_of(CueConflictObserver::Kind kind) {
  switch (kind) {
    case CueConflictObserver::Kind::model:
      return "model";
    case CueConflictObserver::Kind::network:
      return "network";
    case CueConflictObserver::Kind::person:
      return "person";
    case CueConflictObserver::Kind::people:
      return "people";
  }
  return "";
}

/// One run of `vitrail evaluate cue-conflict`.
class CueConflictCommand {
 public:
  explicit CueConflictCommand(const CueConflictArguments& arguments)
      : arguments_(arguments), progress_(arguments.quiet) {}

  ExitCode run() {
    arguments_.model.check();
    const Categories categories = read_categories(arguments_.categories);
    if (!arguments_.responses.empty()) responses_ = read_cue_conflict_responses(arguments_.responses);
    const std::vector<fs::path> images = images_in(arguments_.folder);
    const std::atomic<bool>& interrupted = watch_interrupts();
    const Model model = arguments_.model.load();
    if (model.output_kind() != OutputKind::logits)
      throw UsageError("a shape bias is of a classifier; the output of " + arguments_.model.path + " is " +
                       model.output_description() + ".");
    if (!arguments_.quiet)
      for (const std::string& warning : model.warnings()) print_warning(warning);
    progress_.on_begin("cue conflict", static_cast<int64_t>(images.size()));
    for (size_t i = 0; i < images.size() && !interrupted; ++i) {
      progress_.set_subject(images[i].filename().string());
      progress_.on_progress(static_cast<int64_t>(i), static_cast<int64_t>(images.size()));
      decide(model, images[i], categories);
    }
    progress_.on_end();
    if (interrupted) return ExitCode::interrupted;
    if (decisions_.empty()) return ExitCode::input;
    observers_ = describe_observers(fs::path(arguments_.model.path).filename().string(), decisions_, responses_);
    if (arguments_.json)
      print_json(model);
    else
      print();
    return failed_ > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
  }

 private:
  void decide(const Model& model, const fs::path& path, const Categories& categories) {
    try {
      CueConflictDecision decision = cue_conflict_of(path.filename().string(), categories);
      const c10::NoGradGuard no_gradients;
      const Tensor logits = model.logits(model.prepare(read_image(path)).input);
      decision.answer = category_of(at::softmax(logits[0].cpu(), 0, at::kDouble), categories);
      decisions_.push_back(decision);
    } catch (const InputError& error) {
      ++failed_;
      progress_.on_end();
      print_error(error.what());
    }
  }

  void print() const {
    std::vector<std::vector<std::string>> rows = {
        {"observer", "shape bias", "interval", "shape", "texture", "other", "consistency with people"}};
    for (const CueConflictObserver& observer : observers_) {
      const ShapeBias& bias = observer.bias;
      rows.push_back({observer.name, show_share(bias.value),
                      std::isnan(bias.low) ? "" : show_share(bias.low) + " to " + show_share(bias.high),
                      std::to_string(bias.shape), std::to_string(bias.texture), std::to_string(bias.other),
                      std::isnan(observer.consistency) ? "-" : show_number(observer.consistency)});
    }
    print_table(rows);
    std::cout << decisions_.size()
              << " images. The model's category: the largest mean probability of its classes. Shape bias: shape / "
                 "(shape + texture).\n";
    if (!responses_.empty())
      std::cout << "Consistency: Cohen's kappa of naming the shape, a mean over people (of a person, over the others); "
                   "people are the observers named subject-...\n";
  }

  void print_json(const Model& model) const {
    Json observers = Json::array(), images = Json::array();
    for (const CueConflictObserver& observer : observers_)
      observers.push_back({{"name", observer.name},
                           {"kind", name_of(observer.kind)},
                           {"shape_bias", number_or_null(observer.bias.value)},
                           {"low", number_or_null(observer.bias.low)},
                           {"high", number_or_null(observer.bias.high)},
                           {"shape", observer.bias.shape},
                           {"texture", observer.bias.texture},
                           {"other", observer.bias.other},
                           {"error_consistency", number_or_null(observer.consistency)}});
    for (const CueConflictDecision& decision : decisions_)
      images.push_back({{"image", decision.image},
                        {"shape", decision.shape},
                        {"texture", decision.texture},
                        {"answer", decision.answer}});
    std::cout << to_text(Json({{"format", "vitrail-cue-conflict"},
                               {"version", 1},
                               {"model", {{"path", model.graph().path()}, {"sha256", model.graph().sha256()}}},
                               {"observers", observers},
                               {"images", images},
                               {"failed", failed_}}),
                         1)
              << '\n';
  }

  const CueConflictArguments& arguments_;
  Progress progress_;
  CueConflictResponses responses_;
  std::vector<CueConflictDecision> decisions_;
  std::vector<CueConflictObserver> observers_;
  int64_t failed_ = 0;
};

}  // namespace

Command cue_conflict_command(CLI::App& evaluate) {
  CLI::App* command = evaluate.add_subcommand(
      "cue-conflict", "shape bias: does a classifier go by shape or by texture, and does it err as people do?");
  auto arguments = std::make_shared<CueConflictArguments>();
  arguments->model.add_to(*command);
  command
      ->add_option("folder", arguments->folder,
                   "images with the shape of one category and the texture of another, named so: airplane4-car1.png; "
                   "also in folders within")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--categories", arguments->categories,
                   R"(the model's classes of each category, JSON: {"cat": {"classes": [281, 282]}, ...})")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--responses", arguments->responses,
                   "what others answered: .csv with the columns observer,image,shape,texture,response; observers named "
                   "subject-... are people")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->add_flag("--quiet", arguments->quiet, "no warnings and no progress");
  command->footer(
      "Shape bias = shape decisions / (shape + texture decisions); 1 goes by shape alone, 0 by texture.\n"
      "Example: vitrail evaluate cue-conflict model.onnx images/ --categories categories16.json --responses "
      "responses.csv");
  return {command, [arguments] { return CueConflictCommand(*arguments).run(); }};
}

}  // namespace vitrail::cli
