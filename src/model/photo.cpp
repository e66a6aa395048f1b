// What a model says of a photo, and the targets that follow it.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <limits>

#include "model/class_names.h"
#include "model/output_reader.h"
#include "model/resolve.h"
#include "model/segmentation/zones.h"
#include "vitrail/model.h"

namespace vitrail {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::vector<Prediction> best_of_row(const Tensor& row, OutputKind kind, int64_t top,
                                    const std::vector<std::string>& labels) {
  const Tensor probabilities = at::softmax(row, 0);
  const Tensor best = std::get<1>(at::topk(row, std::min(top, row.size(0))));
  std::vector<Prediction> predictions;
  for (int64_t rank = 0; rank < best.size(0); ++rank) {
    const auto index = best[rank].item<int64_t>();
    predictions.push_back({index, label_of(index, labels), row[index].item<double>(),
                           kind == OutputKind::logits ? probabilities[index].item<double>() : kNone});
  }
  return predictions;
}

/// Classes by the cells that are given to them.
std::vector<Prediction> largest_zones(const Tensor& scores, int64_t top, const std::vector<std::string>& labels) {
  const Tensor classes = class_map(scores);
  const Tensor probabilities = scores.size(0) == 1 ? at::sigmoid(scores) : at::softmax(scores, 0);
  std::vector<Prediction> predictions;
  const Tensor given = classes.masked_select(classes >= 0);
  const Tensor counts = at::bincount(given, {}, scores.size(0)), order = counts.argsort(-1, /*descending=*/true);
  for (int64_t rank = 0; rank < std::min(top, order.size(0)); ++rank) {
    const auto index = order[rank].item<int64_t>(), cells = counts[index].item<int64_t>();
    if (cells == 0) break;
    const Tensor zone = classes == index;
    predictions.push_back({index, label_of(index, labels), scores[index].masked_select(zone).mean().item<double>(),
                           probabilities[index].masked_select(zone).mean().item<double>(),
                           static_cast<double>(cells) / static_cast<double>(classes.numel())});
  }
  return predictions;
}

std::vector<Prediction> best_boxes(const ModelOutput& output, SuppressionOptions options, int64_t top,
                                   const std::vector<std::string>& labels) {
  options.most = std::min(options.most, top);
  std::vector<Prediction> predictions;
  for (const Detection& box : suppress(output, options))
    predictions.push_back({box.index, label_of(box.index, labels), kNone, box.confidence, std::nullopt,
                           Rectangle{box.x0, box.y0, box.x1, box.y1}});
  return predictions;
}

}  // namespace

std::vector<std::vector<Prediction>> Model::predict(const Tensor& inputs, int64_t top) const {
  at::NoGradGuard no_grad;
  const ModelOutput all = outputs(inputs);
  std::vector<std::vector<Prediction>> result;
  for (int64_t n = 0; n < all.samples(); ++n) {
    const ModelOutput output = all.sample(n);
    if (output.kind == OutputKind::segmentation)
      result.push_back(largest_zones(output.scores[0], top, labels_));
    else if (output.kind == OutputKind::boxes)
      result.push_back(best_boxes(output, reader_->suppression(), top, labels_));
    else
      result.push_back(best_of_row(output.scores[0], output.kind, top, labels_));
  }
  return result;
}

std::vector<Prediction> Model::predict(const PreparedImage& photo, int64_t top) const {
  std::vector<Prediction> predictions = predict(photo.input, top).at(0);
  for (Prediction& prediction : predictions)
    if (prediction.box)
      prediction.box = Rectangle{to_photo_x(prediction.box->x0, photo), to_photo_y(prediction.box->y0, photo),
                                 to_photo_x(prediction.box->x1, photo), to_photo_y(prediction.box->y1, photo)};
  return predictions;
}

std::vector<Target> Model::targets(std::span<const std::string> strings, const PreparedImage& photo) const {
  at::NoGradGuard no_grad;
  const auto row_of_file = [this](const std::filesystem::path& file) {
    return outputs(prepare(read_image(file)).input).scores[0];
  };
  return resolve(strings, {outputs(photo.input), labels_, &photo, reader_->suppression(), row_of_file});
}

}  // namespace vitrail
