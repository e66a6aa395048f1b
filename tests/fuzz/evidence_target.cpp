// What an evaluation reads beside models and photos: boxes, fixations, human maps, categories and answers of a
// cue-conflict study, manifests of folds, and its own files. One input is given to every reader.

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <functional>
#include <vector>

#include "evaluation/evaluation_run.h"
#include "evaluation/score_file.h"
#include "fuzz/hostile.h"
#include "vitrail/cue_conflict.h"
#include "vitrail/fixations.h"
#include "vitrail/fold_manifest.h"
#include "vitrail/human_map.h"
#include "vitrail/image.h"
#include "vitrail/truth.h"

namespace {

using namespace vitrail;

constexpr int64_t kSide = 8;

/// A photo of the size of its input, `kSide` x `kSide`.
PreparedImage small_photo() {
  const auto side = static_cast<double>(kSide);
  return {at::full({1, 3, kSide, kSide}, 0.5), {0, 0, side, side}, kSide, kSide};
}

void check_map(const Tensor& map) {
  if (map.defined() && (map.size(-2) != kSide || map.size(-1) != kSide))
    throw InternalError("a map does not have the size of the input");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path folder = testing::own_folder();
  static const PreparedImage photo = small_photo();
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"table.csv", "table.json", "map.npy", "scores.jsonl", "seconds.jsonl"})
    testing::write_file(folder / name, text);
  const std::vector<std::function<void()>> readers = {
      [] {
        for (const char* name : {"table.csv", "table.json"})
          testing::taken_or_refused([&] {
            for (const auto& [image, boxes] : read_truth_boxes(folder / name)) check_map(truth_of(boxes, photo));
          });
      },
      [] {
        for (const auto& [image, fixations] : read_fixations(folder / "table.csv"))
          check_map(fixation_maps(fixations, photo));
      },
      [] { check_map(read_human_map(folder / "map.npy", photo)); },
      [] { read_categories(folder / "table.json"); },
      [] { describe_observers("net", {}, read_cue_conflict_responses(folder / "table.csv")); },
      [] { read_fold_manifest(folder / "table.json"); },
      [&] {
        const std::string written = EvaluationRun::from_json(text, "run").to_json();
        if (EvaluationRun::from_json(written, "written").to_json() != written)
          throw InternalError("a run changes when it is written and read again: " + written);
      },
      [] { read_scores({folder}, 2); },
      [] { ScoreWriter(folder, {}); },
  };
  for (const auto& reader : readers) testing::taken_or_refused(reader);
  return 0;
}
