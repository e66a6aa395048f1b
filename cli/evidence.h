#pragma once

// What is known of photos beside their pixels: where the target is, and where people look.

#include <vitrail/evaluate.h>
#include <vitrail/fixations.h>
#include <vitrail/truth.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>

namespace vitrail::cli {

struct EvidenceArguments {
  std::string masks, boxes, human_maps;
  double fixation_sigma = FixationMapOptions().sigma;

  void add_to(CLI::App& app);

  /// What can be known beforehand: folders and files are there. Reads boxes and fixations.
  void check();

  bool has_truth() const { return !masks.empty() || !boxes.empty(); }
  bool has_target_as_truth() const { return boxes == "target"; }
  bool has_human_maps() const { return !human_maps.empty(); }
  bool has_fixations() const { return std::filesystem::path(human_maps).extension() == ".csv"; }

  /// Of one photo; undefined where there is no mask, box or map of its name.
  PhotoEvidence of(const std::filesystem::path& photo, const PreparedImage& prepared) const;

 private:
  Tensor human_map_of(const std::filesystem::path& photo, const PreparedImage& prepared) const;

  TruthBoxes known_boxes_;
  Fixations known_fixations_;
};

}  // namespace vitrail::cli
