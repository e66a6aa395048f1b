#pragma once

// A study of folds on the disk, so that a killed one goes on:
//
//   run.json                      models, images and methods: everything that decides a map
//   01-gradcam-without-0.npy      maps [N,H,W] of the images by one method and one model, which appears when it is
//   whole predicted-without-0.npy       [N]: the class that a model gives each image
//
// The distance is none of it: maps are compared anew, by whichever distance is asked for.

#include <vitrail/fold_manifest.h>
#include <vitrail/map_distance.h>
#include <vitrail/run_record.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct FoldRun {
  struct OfModel {
    std::string path, sha256;
  };
  struct OfImage {
    FoldImage image;
    std::string sha256;
    std::string problem;  ///< why it cannot be used; empty: it can
  };
  std::vector<OfModel> models;
  std::string preprocess;       ///< of all models: the record, JSON
  std::vector<OfImage> images;  ///< all of the manifest
  RunRecord run;

  std::string to_json() const;
  /// InputError, naming `where`, for another form.
  static FoldRun from_json(const std::string& text, const std::string& where);
};

/// In words, why arrays of one run do not belong to the other; empty where they do.
std::vector<std::string> differences_of_fold_runs(const FoldRun& former, const FoldRun& now);

/// run.json of `folder`, where there is one.
std::optional<FoldRun> read_fold_run(const std::filesystem::path& folder);

/// Forgets run.json and the arrays.
void remove_fold_run(const std::filesystem::path& folder);

/// Writes run.json where there is none yet, and forgets arrays that were there without; gives what is there then.
FoldRun begin_fold_run(const std::filesystem::path& folder, const FoldRun& run);

/// "gradcam" as the first of the methods: 01-gradcam-without-0.npy.
std::filesystem::path fold_maps_file(size_t method, const std::string& name, size_t fold);
/// Its distances: 01-gradcam-l1.csv.
std::filesystem::path fold_distances_file(size_t method, const std::string& name, MapDistance distance);
std::filesystem::path fold_predictions_file(size_t fold);

/// The array of a file, with as many entries as there are images. InputError for any other.
Tensor read_array(const std::filesystem::path& file, int64_t images);

/// The same; computed and written where there is no such file yet.
Tensor kept_array(const std::filesystem::path& file, int64_t images, const std::function<Tensor()>& compute);

}  // namespace vitrail
