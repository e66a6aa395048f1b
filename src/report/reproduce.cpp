#include "vitrail/reproduce.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "attribution/maps.h"
#include "base/sha256.h"
#include "plan/local_record.h"
#include "report/npy.h"
#include "vitrail/error.h"
#include "vitrail/model.h"
#include "vitrail/version.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

/// Where a file of the record is now; `option` is what the caller says.
fs::path find_file(const SavedResult& saved, const std::string& recorded, const std::string& option) {
  return option.empty() ? saved.locate(recorded) : fs::path(option);
}

std::string places(const SavedResult& saved, const std::string& recorded) {
  std::string text = recorded;
  if (!fs::path(recorded).is_absolute() && !saved.run.directory.empty())
    text += " (from here and from " + saved.run.directory + ")";
  return text;
}

Model load_model(const SavedResult& saved, const ReproduceOptions& options) {
  const fs::path path = find_file(saved, saved.model_path, options.model);
  std::error_code error;
  if (path.empty() || !fs::exists(path, error))
    throw ModelError("the model of the result is not at " +
                     (options.model.empty() ? places(saved, saved.model_path) : options.model) +
                     "; say where it is with --model.");
  ModelOptions load;
  load.preprocess = saved.preprocess;
  load.output = saved.run.output;
  load.graph.input_size = saved.run.input_size;
  load.graph.device = options.device.empty() ? saved.run.device : options.device;
  return Model::load(path, load);
}

Image load_photo(const SavedResult& saved, const ReproduceOptions& options) {
  if (options.image.empty())
    if (auto photo = saved.photo()) return *std::move(photo);
  const fs::path path = find_file(saved, saved.image_path, options.image);
  std::error_code error;
  if (path.empty() || !fs::exists(path, error))
    throw InputError("the photo of the result is not at " +
                     (options.image.empty() ? places(saved, saved.image_path) : options.image) +
                     "; say where it is with --image.");
  DecodeOptions decode;
  decode.apply_exif_orientation = saved.run.exif;
  return read_image(path, decode);
}

std::string recorded_local_runs(const SavedResult& saved) {
  std::vector<std::string> records;
  for (const auto& explanation : saved.explanations)
    if (const auto found = explanation.plan.find("incremental"); found != explanation.plan.end())
      records.push_back(found->second);
  return join_local_records(records);
}

/// With the recorded plan, where scores were computed by one.
Model with_recorded_plan(const Model& model, const SavedResult& saved, const Image& photo,
                         std::vector<std::string>& differences) {
  const auto& engine = saved.run.engine;
  const auto recorded = [&](const char* key) {
    const auto found = engine.find(key);
    return found == engine.end() ? std::string() : found->second;
  };
  if (recorded("engine") != "plan") return model;
  PlanOptions options;
  options.precision = recorded("precision");
  options.chunk = std::strtol(recorded("chunk").c_str(), nullptr, 10);
  options.gradient_chunk = std::strtol(recorded("gradient_chunk").c_str(), nullptr, 10);
  options.side_by_side = recorded("side_by_side") == "yes";
  options.gradients = !recorded("gradients").empty();
  options.incremental = recorded_local_runs(saved);
  options.batch = saved.run.batch;
  Model planned = model.with_plan(options, model.prepare(photo).input);
  if (!planned.plan()) differences.push_back("The recorded plan cannot be made here: " + planned.warnings().back());
  return planned;
}

/// Circumstances that are not those of the record.
void compare_circumstances(const SavedResult& saved, const Model& model, const Image& photo, Reproduction& result) {
  const auto differ = [&](const std::string& sentence) { result.differences.push_back(sentence); };
  if (model.graph().sha256() != saved.model_sha256) {
    result.same_question = false;
    differ("The model file has changed: " + model.graph().path() + " has SHA-256 " + model.graph().sha256() +
           ", recorded was " + saved.model_sha256 + ".");
  }
  if (photo.sha256 != saved.image_sha256 && !saved.image_sha256.empty()) {
    result.same_question = false;
    differ("The photo has changed: " + photo.path + " has SHA-256 " + photo.sha256 + ", recorded was " +
           saved.image_sha256 + ".");
  }
  if (saved.version != version()) differ("The result is of vitrail " + saved.version + ", this is " + version() + ".");
  if (saved.run.threads > 0 && saved.run.threads != at::get_num_threads())
    differ("The result was computed on " + std::to_string(saved.run.threads) + " threads, here there are " +
           std::to_string(at::get_num_threads()) + ".");
  if (saved.run.methods.empty()) differ("The result records no run: the batch, the threads and the plan are guessed.");
  if (saved.interrupted)
    differ(
        "The run was interrupted: what it did not start has no result, what it stopped is stopped at the same "
        "point again.");
}

void compare_map(const SavedResult& saved, size_t index, const Explanation& now, double tolerance, ReproducedMap& map) {
  const std::string& file = saved.files[index].map;
  const auto sum = saved.checksums.find(file);
  const std::vector<std::byte> bytes = encode_npy(now.map);
  map.same_bytes = sum != saved.checksums.end() && sha256_hex(bytes) == sum->second;
  std::optional<Tensor> recorded;
  try {
    recorded = saved.array(file);
  } catch (const InputError& error) {
    if (!map.same_bytes) map.problem = error.what();
    map.same = map.same_bytes;  // the checksum outlived the file
    return;
  }
  if (recorded->sizes() != now.map.sizes()) {
    map.problem = "the map has another size now";
    return;
  }
  map.range = range_of(*recorded);
  map.same_bytes = map.same_bytes || encode_npy(*recorded) == bytes;
  if (map.same_bytes) {
    map.same = true;
    return;
  }
  const Tensor both = at::isfinite(*recorded).logical_and(at::isfinite(now.map));
  const bool same_holes = at::equal(at::isfinite(*recorded), at::isfinite(now.map));
  const Tensor gaps = (now.map - *recorded).abs().masked_select(both);
  map.max_difference = !same_holes         ? std::numeric_limits<double>::infinity()
                       : gaps.numel() == 0 ? 0
                                           : gaps.max().item<double>();
  map.same = map.max_difference <= tolerance * map.range;
}

/// The places of the explanations from `first` on that one call of the method gave.
size_t end_of_group(const SavedResult& saved, size_t first) {
  size_t end = first + 1;
  const auto& all = saved.explanations;
  const auto again = [&](size_t i) {  // the same target a second time: another call of the same method
    return std::any_of(all.begin() + static_cast<int64_t>(first), all.begin() + static_cast<int64_t>(i),
                       [&](const Explanation& e) {
                         return e.target.slug() == all[i].target.slug() && e.target.string == all[i].target.string;
                       });
  };
  while (end < all.size() && all[end].method == all[first].method && !again(end)) ++end;
  return end;
}

std::vector<std::string> targets_of(const SavedResult& saved) {
  if (!saved.run.targets.empty()) return saved.run.targets;
  std::vector<std::string> targets;
  for (const Explanation& e : saved.explanations)
    if (std::find(targets.begin(), targets.end(), e.target.string) == targets.end()) targets.push_back(e.target.string);
  return targets;
}

/// One call of a method for all targets, compared with the explanations [first, end).
void reproduce_group(const SavedResult& saved, size_t first, size_t end, const Model& model, const Image& photo,
                     Execution execution, double tolerance, std::vector<ReproducedMap>& maps) {
  const Explanation& recorded = saved.explanations[first];
  const auto batch = recorded.plan.find("batch");
  if (batch != recorded.plan.end()) execution.batch = std::max(1L, std::strtol(batch->second.c_str(), nullptr, 10));
  execution.budget = {};
  if (recorded.partial) execution.budget.forwards = recorded.forwards + recorded.backwards;
  std::vector<Explanation> now;
  std::string problem;
  try {
    now = explain_image(model, photo, parse_methods(recorded.method), targets_of(saved), execution).explanations;
    if (now.size() != end - first)
      problem = "the targets stand for " + std::to_string(now.size()) + " classes now, recorded were " +
                std::to_string(end - first);
  } catch (const UsageError& error) {
    problem = error.what();
  } catch (const ModelError& error) {
    problem = error.what();
  }
  for (size_t i = first; i < end; ++i) {
    ReproducedMap map{.method = recorded.method, .target = saved.explanations[i].target, .problem = problem};
    if (problem.empty()) {
      const Explanation& e = now[i - first];
      if (e.target.slug() != map.target.slug())
        map.problem = "'" + map.target.string + "' is " + e.target.title() + " now, recorded was " + map.target.title();
      else
        compare_map(saved, i, e, tolerance, map);
    }
    maps.push_back(std::move(map));
  }
}

}  // namespace

bool Reproduction::same() const {
  return same_question && std::all_of(maps.begin(), maps.end(), [](const ReproducedMap& map) { return map.same; });
}

Reproduction reproduce(const SavedResult& saved, const ReproduceOptions& options, const Execution& execution) {
  if (!(options.tolerance >= 0))
    throw UsageError("the tolerance is " + std::to_string(options.tolerance) + "; expected a share of a map's range.");
  Reproduction result;
  const Model loaded = load_model(saved, options);
  const Image photo = load_photo(saved, options);
  compare_circumstances(saved, loaded, photo, result);
  const Model model = with_recorded_plan(loaded, saved, photo, result.differences);
  for (size_t first = 0; first < saved.explanations.size();) {
    const size_t end = end_of_group(saved, first);
    reproduce_group(saved, first, end, model, photo, execution, options.tolerance, result.maps);
    first = end;
  }
  return result;
}

}  // namespace vitrail
