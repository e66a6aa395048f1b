#include "evidence.h"

#include <vitrail/error.h>
#include <vitrail/human_map.h>

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

/// The file of the photo's name in a folder, with one of these endings; empty where there is none.
fs::path named_alike(const fs::path& folder, const fs::path& photo, std::initializer_list<const char*> endings) {
  std::error_code error;
  for (const char* ending : endings)
    if (const fs::path file = folder / (photo.stem().string() + ending); fs::exists(file, error)) return file;
  return {};
}

void check_folder(const std::string& option, const std::string& folder, const std::string& further = "") {
  std::error_code error;
  if (!folder.empty() && !fs::is_directory(folder, error))
    throw UsageError(option + " is '" + folder + "', which is no folder; expected one with a file for each photo" +
                     further + ".");
}

}  // namespace

void EvidenceArguments::add_to(CLI::App& app) {
  app.add_option("--masks", masks,
                 "folder of pictures, white where the target is, each named like its photo (cat.png for cat.jpg)")
      ->type_name("DIR");
  app.add_option(
         "--boxes", boxes,
         "boxes of the target: lines image,x0,y0,x1,y1 in the photo's pixels, or COCO's JSON; target: where the "
         "target itself is, the box of box:1 or the zone of zone:x:y")
      ->type_name("FILE|target");
  app.add_option("--human-maps", human_maps,
                 "where people look: folder of maps, .npy or pictures, named likewise (cat.npy, or a folder cat with a "
                 "map of each person); or fixations of eyes: .csv with the columns image,viewer,x,y")
      ->type_name("PATH");
  app.add_option("--fixation-sigma", fixation_sigma,
                 "of the Gaussian around a fixation, in pixels of the photo; 24 (default) is 1 degree of a photo of "
                 "800 pixels that covers 33 degrees")
      ->check(CLI::PositiveNumber);
}

void EvidenceArguments::check() {
  check_folder("--masks", masks);
  if (has_fixations())
    known_fixations_ = read_fixations(human_maps);
  else
    check_folder("--human-maps", human_maps, ", or fixations as .csv");
  if (!masks.empty() && !boxes.empty())
    throw UsageError("--masks and --boxes both say where the target is; give one of them.");
  if (!boxes.empty() && !has_target_as_truth()) known_boxes_ = read_truth_boxes(boxes);
}

PhotoEvidence EvidenceArguments::of(const fs::path& photo, const PreparedImage& prepared) const {
  PhotoEvidence evidence{.truth_is_target = has_target_as_truth()};
  if (!masks.empty())
    if (const fs::path file = named_alike(masks, photo, {".png", ".jpg", ".webp"}); !file.empty())
      evidence.truth = read_truth(file, prepared);
  if (const auto found = known_boxes_.find(photo.filename().string()); found != known_boxes_.end())
    evidence.truth = truth_of(found->second, prepared);
  evidence.human_map = human_map_of(photo, prepared);
  return evidence;
}

Tensor EvidenceArguments::human_map_of(const fs::path& photo, const PreparedImage& prepared) const {
  if (has_fixations()) {
    const auto found = known_fixations_.find(photo.filename().string());
    if (found == known_fixations_.end()) return {};
    return fixation_maps(found->second, prepared, {.sigma = fixation_sigma});
  }
  if (human_maps.empty()) return {};
  const fs::path file = named_alike(human_maps, photo, {"", ".npy", ".png", ".jpg", ".webp"});
  if (file.empty()) return {};
  return fs::is_directory(file) ? read_human_maps(file, prepared) : read_human_map(file, prepared);
}

}  // namespace vitrail::cli
