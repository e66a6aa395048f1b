#pragma once

// What a study of folds found: one line a method and one a model (docs/evaluation.md).

#include <vitrail/mege.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "evaluation/stability/fold_run.h"

namespace vitrail {

/// How often a model is right.
struct FoldAccuracy {
  int64_t images = 0, right = 0;
  int64_t held_out = 0, right_held_out = 0;  ///< of images that it was trained without
};

/// Of model number `fold`.
FoldAccuracy fold_accuracy(const FoldMaps& study, int64_t fold);

struct FoldMethodResult {
  std::string method, name;  ///< the canonical string, the name
  std::string refused = {};  ///< why a model does not allow it: then there is nothing else
  Mege scores = {};
  MegeIntervals intervals = {};
  std::string distances_file = {};
};

struct FoldResult {
  std::string manifest;  ///< its path
  MegeOptions options;
  BootstrapOptions bootstrap;
  std::vector<FoldAccuracy> models;
  std::vector<FoldMethodResult> methods;

  std::string to_json(const FoldRun& run) const;
};

/// The text of a file: a heading, then a line a pair of models and photo, `path,fold,first,second,pair,distance`.
/// `images`: those that the pairs number.
std::string fold_distances_csv(std::span<const FoldPair> pairs, const std::vector<FoldImage>& images);

}  // namespace vitrail
