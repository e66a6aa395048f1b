#include <vitrail/error.h>
#include <vitrail/explain.h>
#include <vitrail/fold_study.h>
#include <vitrail/method.h>
#include <vitrail/metric.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "attribution/random.h"

namespace vitrail {

namespace {

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

FoldMaps explain_folds(const FoldData& data, const std::function<Model(int64_t fold)>& model, const std::string& method,
                       const Execution& execution) {
  const int64_t folds = check(data), images = static_cast<int64_t>(data.labels.size());
  const std::string one_method = parse_method(method)->canonical();
  FoldMaps study{.maps = {}, .correct = at::empty({folds, images}, at::kBool), .folds = data.folds};
  for (int64_t fold = 0; fold < folds; ++fold) {
    const Model trained = model(fold);
    Tensors maps;
    for (int64_t i = 0; i < images; ++i) {
      const int64_t label = data.labels[static_cast<size_t>(i)];
      const Image image = data.image(i);
      const auto explanations = explain(trained, image, one_method, std::to_string(label), execution);
      if (execution.cancelled && *execution.cancelled) throw CancelledError();
      maps.push_back(explanations.at(0).map);
      study.correct[fold][i] = trained.predict(trained.prepare(image), 1).at(0).index == label;
    }
    study.maps.push_back(at::stack(maps));
  }
  return study;
}

}  // namespace vitrail
