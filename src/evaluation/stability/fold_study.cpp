#include <vitrail/error.h>
#include <vitrail/fold_study.h>
#include <vitrail/method.h>
#include <vitrail/metric.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "attribution/random.h"

namespace vitrail {

namespace {

constexpr int64_t kNoClass = -1;  ///< of a model whose scores are no numbers

/// The number of folds.
int64_t check(const FoldData& data) {
  if (!data.image) throw UsageError("Fold study: there is no function that gives the images.");
  if (data.labels.size() != data.folds.size() || data.labels.empty())
    throw UsageError("Fold study: found " + std::to_string(data.labels.size()) + " labels and " +
                     std::to_string(data.folds.size()) + " folds, expected one of each an image.");
  const int64_t folds = *std::max_element(data.folds.begin(), data.folds.end()) + 1;
  for (int64_t fold = 0; fold < folds; ++fold)
    if (std::find(data.folds.begin(), data.folds.end(), fold) == data.folds.end())
      throw UsageError("Fold study: no image is of fold " + std::to_string(fold) + ", expected folds 0 to " +
                       std::to_string(folds - 1) + ".");
  if (folds < 2 || std::any_of(data.folds.begin(), data.folds.end(), [](int64_t fold) { return fold < 0; }))
    throw UsageError("Fold study: expected two folds or more, numbered from 0.");
  return folds;
}

void throw_if_cancelled(const Execution& execution) {
  if (execution.cancelled && *execution.cancelled) throw CancelledError();
}

}  // namespace

std::vector<int64_t> split_folds(int64_t images, int64_t folds, uint64_t seed) {
  if (folds < 2 || images < folds)
    throw UsageError("Fold study: found " + std::to_string(folds) + " folds of " + std::to_string(images) +
                     " images, expected at least two folds and an image in each.");
  std::vector<int64_t> result(static_cast<size_t>(images));
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<int64_t>(i) % folds;
  Random random(seed, RandomStream::permutation, 0);
  for (size_t i = result.size(); i > 1; --i)
    std::swap(result[i - 1], result[static_cast<size_t>(random.uniform() * static_cast<double>(i))]);
  return result;
}

Tensor explain_labels(const Model& model, const FoldData& data, const Method& method, const Execution& execution) {
  const Model asked = method.info().uses_plan() ? model : model.without_plan();
  Tensors maps;
  for (size_t i = 0; i < data.labels.size(); ++i) {
    const std::array<std::string, 1> label = {std::to_string(data.labels[i])};
    const PreparedImage photo = asked.prepare(data.image(static_cast<int64_t>(i)));
    const auto explanations = method.explain(*asked.probe(asked.targets(label, photo)), photo.input, execution);
    throw_if_cancelled(execution);
    maps.push_back(explanations.at(0).map);
  }
  return at::stack(maps);
}

std::vector<int64_t> predict_classes(const Model& model, const FoldData& data, const Execution& execution) {
  const auto images = static_cast<int64_t>(data.labels.size());
  std::vector<int64_t> classes;
  if (execution.listener) execution.listener->on_begin("predictions", images);
  for (int64_t i = 0; i < images; ++i) {
    throw_if_cancelled(execution);
    const Prediction best = model.predict(model.prepare(data.image(i)), 1).at(0);
    classes.push_back(std::isnan(best.logit) ? kNoClass : best.index);
    if (execution.listener) execution.listener->on_progress(i + 1, images);
  }
  if (execution.listener) execution.listener->on_end();
  return classes;
}

FoldMaps explain_folds(const FoldData& data, const std::function<Model(int64_t fold)>& model, const std::string& method,
                       const Execution& execution) {
  const int64_t folds = check(data), images = static_cast<int64_t>(data.labels.size());
  const auto parsed = parse_method(method);
  FoldMaps study{.maps = {}, .correct = at::empty({folds, images}, at::kBool), .folds = data.folds};
  for (int64_t fold = 0; fold < folds; ++fold) {
    const Model trained = model(fold);
    study.maps.push_back(explain_labels(trained, data, *parsed, execution));
    const std::vector<int64_t> classes = predict_classes(trained, data, execution);
    for (int64_t i = 0; i < images; ++i)
      study.correct[fold][i] = classes[static_cast<size_t>(i)] == data.labels[static_cast<size_t>(i)];
  }
  return study;
}

}  // namespace vitrail
