#pragma once

// The scores of an evaluation on disk, one line of JSON a photo, in the order of the photos:
//
//   scores.jsonl     values, curves, forwards; of a shard scores-2-of-8.jsonl. The same bytes however often the process
//                    was killed
//   seconds.jsonl    how long each took, likewise
//
// A line is flushed to the disk before the next photo is begun. What a killed process left of a line is cut off when
// the file is opened again.

#include <vitrail/evaluate.h>
#include <vitrail/run_record.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vitrail {

/// Without times.
std::string to_json_line(const PhotoEvaluation& photo);

/// Appends the photos of one shard to its two files.
class ScoreWriter {
 public:
  /// Opens the files, keeps whole lines and cuts off the rest. MachineError where another process writes to them.
  ScoreWriter(const std::filesystem::path& folder, const Shard& shard);
  ~ScoreWriter();
  ScoreWriter(const ScoreWriter&) = delete;
  ScoreWriter& operator=(const ScoreWriter&) = delete;

  /// The photos that the files held when they were opened, in their order.
  const std::vector<PhotoEvaluation>& former() const { return former_; }

  /// MachineError where the disk is full; the files then end with their last whole line.
  void append(const PhotoEvaluation& photo);

 private:
  class File;
  std::unique_ptr<File> scores_, seconds_;
  std::vector<PhotoEvaluation> former_;
};

/// Every photo of a run of `photos` from the files of all shards in `folders`, in order. InputErrors where a photo is
/// missing, saying which shards are there.
std::vector<PhotoEvaluation> read_scores(const std::vector<std::filesystem::path>& folders, size_t photos);

/// scores.jsonl and seconds.jsonl of one uninterrupted run.
void write_scores(const std::filesystem::path& folder, const std::vector<PhotoEvaluation>& photos);

}  // namespace vitrail
