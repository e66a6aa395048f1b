#pragma once

// A result.json read back, with the arrays that it names (docs/result.md).
//
//   const auto saved = vitrail::read_result("out/cat/result.json");
//   const Tensor map = saved.array(saved.files[0].map);
//
// A folder of results is also the memory of a run that was killed: `find_former_result` says of a photo whether its
// result is there, whole, and the answer to the same question. Files are never looked for outside the folder of the
// result, whatever result.json says. A file that is missing or damaged is an InputError that names it.

#include <vitrail/report.h>
#include <vitrail/run_record.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct SavedResult {
  std::filesystem::path folder;
  std::string text;     ///< of result.json
  std::string version;  ///< of the vitrail that wrote it
  std::string model_path, model_sha256;
  std::string preprocess;  ///< the record, JSON
  std::string image_path, image_sha256;
  int64_t width = 0, height = 0;  ///< of the photo
  Rectangle placed;
  bool partial = false, interrupted = false;
  std::vector<Prediction> prediction;
  std::vector<Explanation> explanations;  ///< without arrays
  std::vector<ExplanationFiles> files;    ///< of the explanations
  std::vector<ImageResult::Inapplicable> not_applicable;
  std::map<std::string, std::string> checksums;  ///< SHA-256 of each file, by name
  RunRecord run;

  /// One of the .npy files.
  Tensor array(const std::string& file) const;
  /// The explanation with its map, cells, standard error and extras.
  Explanation load(size_t index) const;
  /// A path of the record where it is now: as it is, else from the directory of the run; empty where it is at neither.
  std::filesystem::path locate(const std::string& path) const;
  /// The photo: from its path where its content is the recorded one, else the copy that is kept of photos from memory.
  std::optional<Image> photo() const;
};

SavedResult read_result(const std::filesystem::path& result_json);

/// SHA-256 of a file, hexadecimal; InputError where it cannot be read.
std::string file_sha256(const std::filesystem::path& path);

/// What the folder of a photo holds of an earlier run.
struct FormerResult {
  std::optional<SavedResult> result;     ///< where it answers the question: computing it again would change nothing
  std::vector<std::string> differences;  ///< why it does not: "methods (...)", "the photo", "it was interrupted"
};

/// Whether `folder` has the result of this photo for this model and run: with the same content of photo and model,
/// preprocessing, methods, targets, seeds and plan, finished, every file there with its checksum.
FormerResult find_former_result(const std::filesystem::path& folder, const std::filesystem::path& photo,
                                const Model& model, const RunRecord& run);

}  // namespace vitrail
