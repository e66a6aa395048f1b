#pragma once

// The file that says which models and images a study of folds (vitrail/fold_study.h) is of:
//
//   {"format": "vitrail-folds", "version": 1,
//    "models": ["without_0.onnx", "without_1.onnx"],
//    "images": [{"path": "img/a.png", "label": 3, "fold": 0}, {"path": "img/b.png", "label": "tabby cat", "fold": 1}]}
//
// Model number k was trained without the images of fold k. Paths are relative to the file. A label is the index of a
// class, or one of its names as in a target. Other keys are ignored.
//
//   FoldManifest manifest = split_class_folders("photos", 4);   // photos/cat/1.jpg, photos/dog/2.jpg ...
//   write_fold_manifest(manifest, "folds.json");                // then train the models that it names
//   manifest = read_fold_manifest("folds.json");

#include <vitrail/model.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

struct FoldImage {
  std::filesystem::path path = {};
  std::string label = {};  ///< "3", "tabby cat"
  int64_t fold = 0;        ///< the model that was trained without it
};

struct FoldManifest {
  std::vector<std::filesystem::path> models;  ///< of each fold
  std::vector<FoldImage> images;
};

/// InputError for what is no such file, and for an image that does not exist; ModelError for a model that does not.
FoldManifest read_fold_manifest(const std::filesystem::path& file);

/// Paths are written relative to the folder of `file`. MachineError.
void write_fold_manifest(const FoldManifest& manifest, const std::filesystem::path& file);

/// The photos in the folders of `folder`, labelled by the names of these, split at random (split_folds). The models are
/// without_0.onnx, without_1.onnx ... in `models`: to be trained. InputError where there are no such photos.
FoldManifest split_class_folders(const std::filesystem::path& folder, int64_t folds = 4, uint64_t seed = 0,
                                 const std::filesystem::path& models = {});

/// The classes of this model that the labels of images stand for. InputError where there is none.
std::vector<int64_t> classes_of_labels(const Model& model, std::span<const FoldImage> images);

}  // namespace vitrail
