#pragma once

// The study behind MeGe and ReCo (vitrail/mege.h): K models, each trained without one part (fold) of the images,
// explain every image.
//
//   FoldData data{.image = [&](int64_t i) { return read_image(paths[i]); }, .labels = labels,
//                 .folds = split_folds(labels.size(), 4)};
//   auto model = [&](int64_t fold) { return Model::load("without_" + std::to_string(fold) + ".onnx"); };
//   Mege result = mege(explain_folds(data, model, "gradcam"));
//
// The models may be files, or `model` may train them: it is called once for each fold, in order, with nothing else
// kept of the models before. The target is the image's label, right or wrong. Maps are kept: K N H W floats.
// Models and images can come from a file (vitrail/fold_manifest.h); `vitrail evaluate folds` keeps maps on the disk and
// goes on where it was killed (docs/evaluation.md).
//
// Cost        K times the method's, an image.

#include <vitrail/execution.h>
#include <vitrail/image.h>
#include <vitrail/mege.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vitrail {

struct FoldData {
  std::function<Image(int64_t)> image;
  std::vector<int64_t> labels;  ///< of each image: its class
  std::vector<int64_t> folds;   ///< of each image: 0 to K - 1, which model was trained without it; every number occurs
};

/// The fold of each of `images` images: a random split into `folds` parts whose sizes differ by at most one.
std::vector<int64_t> split_folds(int64_t images, int64_t folds = 4, uint64_t seed = 0);

/// `model`: the classifier that was trained without the images of a fold. `method`: one method, with its options.
/// CancelledError where `execution.cancelled` was set.
FoldMaps explain_folds(const FoldData& data, const std::function<Model(int64_t fold)>& model, const std::string& method,
                       const Execution& execution = {});

/// The two halves of it, of one model. Maps [N,H,W] of every image for its label; CancelledError likewise.
Tensor explain_labels(const Model& model, const FoldData& data, const Method& method, const Execution& execution = {});
/// The class that the model gives each image; -1 where its scores are no numbers.
std::vector<int64_t> predict_classes(const Model& model, const FoldData& data, const Execution& execution = {});

}  // namespace vitrail
