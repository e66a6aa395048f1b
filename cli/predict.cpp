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

using Json = nlohmann::ordered_json;

struct PredictArguments {
  ModelArguments model;
  ImageArguments images;
  int64_t top = 5;
  bool json = false, quiet = false;
};

Json to_json(const std::vector<Prediction>& prediction) {
  Json list = Json::array();
  for (const Prediction& p : prediction) {
    list.push_back({{"index", p.index},
                    {"label", p.label.empty() ? Json(nullptr) : Json(p.label)},
                    {"logit", number_or_null(p.logit)},
                    {"probability", number_or_null(p.probability)}});
    if (p.area) list.back()["area"] = *p.area;
    if (p.box) list.back()["box"] = {{"x0", p.box->x0}, {"y0", p.box->y0}, {"x1", p.box->x1}, {"y1", p.box->y1}};
  }
  return list;
}

/// "logit 9.1"; of a segmentation also the share of the photo; of a box its place.
std::string details_of(const Prediction& p) {
  if (p.box)
    return "box " + show_number(p.box->x0) + ":" + show_number(p.box->y0) + ":" + show_number(p.box->x1) + ":" +
           show_number(p.box->y1);
  return "logit " + show_number(p.logit) + (p.area ? ", " + show_share(*p.area) + " of the photo" : "");
}

void print_prediction(const std::string& path, const std::vector<Prediction>& prediction) {
  std::cout << path << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const Prediction& p : prediction)
    rows.push_back(
        {std::to_string(p.index), p.label, std::isnan(p.probability) ? "" : show_share(p.probability), details_of(p)});
  print_table(rows, "  ");
  if (rows.empty()) std::cout << "  nothing found\n";
}

/// One run of `vitrail predict`.
class PredictCommand {
 public:
  explicit PredictCommand(const PredictArguments& arguments) : arguments_(arguments), progress_(arguments.quiet) {}

  ExitCode run() {
    arguments_.model.check();
    const std::vector<Photo> photos = arguments_.images.find();
    const std::atomic<bool>& interrupted = watch_interrupts();
    const Model model = arguments_.model.load();
    if (!arguments_.quiet)
      for (const std::string& warning : model.warnings()) print_warning(warning);
    const auto total = static_cast<int64_t>(photos.size());
    progress_.on_begin("predict", total);
    for (int64_t i = 0; i < total && !interrupted; ++i) {
      progress_.set_subject(photos[i].path.filename().string());
      progress_.on_progress(i, total);
      predict(model, photos[i]);
    }
    progress_.on_end();
    if (arguments_.json)
      std::cout << Json({{"format", "vitrail-prediction"}, {"version", 1}, {"images", images_}})
                       .dump(1, ' ', false, Json::error_handler_t::replace)
                << '\n';
    if (interrupted) return ExitCode::interrupted;
    if (done_ == 0) return ExitCode::input;
    return failed_ > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
  }

 private:
  void predict(const Model& model, const Photo& photo) {
    if (!photo.problem.empty()) return fail(photo);
    try {
      const PreparedImage prepared = model.prepare(arguments_.images.read(photo.path));
      const std::vector<Prediction> prediction = model.predict(prepared, arguments_.top);
      ++done_;
      images_.push_back({{"path", photo.path.string()}, {"prediction", to_json(prediction)}});
      progress_.on_end();
      if (!arguments_.json) print_prediction(photo.path.string(), prediction);
    } catch (const InputError& error) {
      progress_.on_end();
      print_error(error.what());
      fail({photo.path, error.what()});
    }
  }

  void fail(const Photo& photo) {
    ++failed_;
    images_.push_back({{"path", photo.path.string()}, {"error", photo.problem}});
  }

  const PredictArguments& arguments_;
  Progress progress_;
  Json images_ = Json::array();
  size_t done_ = 0, failed_ = 0;
};

}  // namespace

Command predict_command(CLI::App& app) {
  CLI::App* predict = app.add_subcommand("predict", "names the best classes of photos");
  auto arguments = std::make_shared<PredictArguments>();
  arguments->model.add_to(*predict);
  arguments->images.add_to(*predict);
  predict->add_option("--top", arguments->top, "classes a photo (default: 5)")->check(CLI::Range(1, 1'000'000));
  predict->add_flag("--json", arguments->json, "one JSON document on standard output");
  predict->add_flag("--quiet", arguments->quiet, "no warnings and no progress");
  predict->footer("Example: vitrail predict model.onnx photos/ --top 3");
  return {predict, [arguments] { return PredictCommand(*arguments).run(); }};
}

}  // namespace vitrail::cli
