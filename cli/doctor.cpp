#include <vitrail/doctor.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "arguments.h"
#include "base/display.h"
#include "command.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

struct DoctorArguments {
  ModelArguments model;
  ImageArguments images;
  bool json = false, quiet = false;
};

using Rows = std::vector<std::vector<std::string>>;

/// The first line of a part carries its name.
void add(Rows& rows, const std::string& part, const std::vector<std::string>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) rows.push_back({i == 0 ? part : "", lines[i]});
}

/// At most `most` of them, and how many more there are.
std::vector<std::string> shortened(std::vector<std::string> lines, size_t most) {
  if (lines.size() <= most) return lines;
  const std::string rest = "and " + std::to_string(lines.size() - most) + " more (--json lists all)";
  lines.resize(most);
  lines.push_back(rest);
  return lines;
}

std::string describe(const Agreement& agreement) {
  if (!agreement.first_diverging_value.empty())
    return "DIFFERS from " + agreement.reference + ", first in '" + agreement.first_diverging_value + "' of the " +
           agreement.first_diverging_node + "; outputs by " + show_number(agreement.max_relative_error);
  return std::to_string(agreement.values) + " values agree with " + agreement.reference + ", outputs within " +
         show_number(agreement.max_relative_error) + " of the largest" +
         (agreement.undecided == 0 ? ""
                                   : "; " + std::to_string(agreement.undecided) +
                                         " lie behind ties that rounding decides and were not judged");
}

std::vector<std::string> describe(std::vector<Saturation> saturation) {
  if (saturation.empty()) return {"no activation with a flat end"};
  double sum = 0;
  for (const Saturation& s : saturation) sum += s.share;
  std::sort(saturation.begin(), saturation.end(), [](const auto& a, const auto& b) { return a.share > b.share; });
  std::vector<std::string> lines = {show_share(sum / static_cast<double>(saturation.size())) + " of the units of " +
                                    std::to_string(saturation.size()) + " activations are at a flat end; most:"};
  for (size_t i = 0; i < saturation.size() && i < 3; ++i)
    lines.push_back(saturation[i].node + ": " + show_share(saturation[i].share) + ", " +
                    show_share(saturation[i].dead) + " of its channels never active");
  return lines;
}

std::vector<std::string> describe(const std::vector<Speed>& speed) {
  std::vector<std::string> lines;
  for (const Speed& s : speed) {
    std::string line = s.engine;
    line.resize(std::max<size_t>(line.size(), 12), ' ');
    line += "batch " + std::to_string(s.batch) + ": " + show_number(s.images_per_second) + " images a second";
    if (s.chunk != s.batch) line += ", in chunks of " + std::to_string(s.chunk);
    lines.push_back(line);
  }
  if (!lines.empty()) lines.push_back(std::to_string(speed[0].threads) + " thread(s)");
  return lines;
}

void print(const Diagnosis& d) {
  std::cout << d.path << '\n';
  Rows rows;
  rows.push_back({"verdict", d.obstacle.empty() ? "can be explained" : "cannot be explained: " + d.obstacle});
  if (d.unsupported.empty())
    rows.push_back({"operators", "all supported"});
  else
    add(rows, "operators", shortened(d.unsupported, 12));
  if (!d.input.empty()) rows.push_back({"input", d.input});
  if (d.batch)
    rows.push_back({"batch", (d.batch->generalises ? "any size" : "one sample at a time") +
                                 (d.batch->reason.empty() ? "" : ": " + d.batch->reason)});
  if (!d.preprocess.empty()) add(rows, "preprocessing", {d.preprocess, "from " + d.preprocess_source});
  rows.push_back({"agreement", d.agreement ? describe(*d.agreement) : "not compared"});
  std::vector<std::string> photos;
  for (const PhotoDiagnosis& photo : d.photos)
    photos.push_back(photo.path + ": " + (photo.top.label.empty() ? std::to_string(photo.top.index) : photo.top.label) +
                     ", " + show_share(photo.top.probability));
  add(rows, "photos", shortened(photos, 8));
  if (d.obstacle.empty())
    add(rows, "gradient",
        d.non_differentiable.empty() ? std::vector<std::string>{"flows from the logits to the input"}
                                     : shortened(d.non_differentiable, 6));
  if (d.batch) add(rows, "activations", describe(d.saturation));
  add(rows, "speed", describe(d.speed));
  for (const std::string& warning : d.warnings) rows.push_back({"warning", warning});
  print_table(rows, "  ");
}

ExitCode run(const DoctorArguments& arguments) {
  DiagnosisOptions options;
  options.model = arguments.model.check();
  std::vector<Image> images;
  size_t failed = 0;
  if (!arguments.images.paths.empty())
    for (const Photo& photo : arguments.images.find()) {
      if (!photo.problem.empty()) {
        ++failed;
        continue;
      }
      try {
        images.push_back(arguments.images.read(photo.path));
      } catch (const InputError& error) {
        print_error(error.what());
        ++failed;
      }
    }
  if (failed > 0 && images.empty()) return ExitCode::input;
  arguments.model.set_limits();
  Progress progress(arguments.quiet);
  options.listener = &progress;
  const Diagnosis diagnosis = diagnose(arguments.model.path, images, options);
  if (arguments.json)
    std::cout << to_json(diagnosis) << '\n';
  else
    print(diagnosis);
  if (!diagnosis.batch) return ExitCode::model;
  return failed > 0 ? ExitCode::some_inputs_failed : ExitCode::done;
}

}  // namespace

Command doctor_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("doctor", "examines a network before it is trusted");
  auto arguments = std::make_shared<DoctorArguments>();
  arguments->model.add_to(*command);
  arguments->images.add_to(*command);
  command->get_option("images")->required(false);
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->footer(
      "Example: vitrail doctor model.onnx cat.jpg dog.jpg\n"
      "ONNX Runtime is asked through a Python that has it: python3, or the one that VITRAIL_PYTHON names.");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace vitrail::cli
