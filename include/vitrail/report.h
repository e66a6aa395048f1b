#pragma once

// Results on disk: what `vitrail explain` writes, for programs that link vitrail.
//
//   vitrail::Report report("out", model);
//   for (const auto& path : photos)
//     report.add(vitrail::explain_image(model, vitrail::read_image(path), methods, targets));
//   report.finish();
//
// A photo gets the folder OUT/STEM/ with a map, cells, standard error and overlay an explanation, and
// `result.json`, which is written last: its presence means that the image is complete (docs/result.md).
// OUT/report.html shows everything in OUT, results of earlier runs and of other shards too; it is one file without
// outside references, made photo by photo from their folders, so that memory does not grow with their number.
//
// Every file appears under its name only when it is whole. A disk that is full or a folder that may not
// be written is a MachineError that names the file. Not thread-safe.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/method.h>
#include <vitrail/model.h>
#include <vitrail/preprocess.h>
#include <vitrail/run_record.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

/// All that is known about one photo: the content of its result.json.
struct ImageResult {
  Image image;
  Rectangle placed;                       ///< the part of the photo that the model saw, in its pixels
  std::vector<Prediction> prediction;     ///< the five best classes
  std::vector<Explanation> explanations;  ///< methods in the given order, targets fastest
  bool interrupted = false;               ///< cancelled before every method was done

  /// A method that was to run where the model allows it, and the reason why this one does not.
  struct Inapplicable {
    std::string method, reason;
  };
  std::vector<Inapplicable> not_applicable;
  RunRecord run;

  /// Interrupted, or one of the explanations is.
  bool partial() const;
};

using Methods = std::vector<std::unique_ptr<Method>>;

/// What becomes of a method that the model does not allow (no layer with positions, no attention, an option that does
/// not fit): its error is thrown, or the method is left out and named in the result with the reason.
enum class WhereRefused { fail, leave_out };

/// Runs every method for every target on one photo; the targets share the forwards of a method.
/// `execution.budget` is the limit of each method; a cancellation ends the method that runs and starts no other.
ImageResult explain_image(const Model& model, const Image& image, const Methods& methods,
                          std::span<const std::string> targets, const Execution& execution = {},
                          WhereRefused refused = WhereRefused::fail);

/// The record of such a run, as far as the arguments say.
RunRecord record_run(const Model& model, const Methods& methods, std::span<const std::string> targets,
                     const Execution& execution);

/// The methods of choice where the user names none: a class-activation map where the network keeps
/// positions of the photo in some layer, and Sobol indices.
std::string default_methods(const Model& model);

/// What a run will cost, before it is started.
struct MethodEstimate {
  std::string method;  ///< canonical
  int64_t forwards = 0, backwards = 0;
  double seconds = 0;  ///< estimated: forwards + 2 backwards, at the measured time of a forward
};
struct Estimate {
  std::vector<MethodEstimate> methods;  ///< for one photo
  int64_t targets = 0;                  ///< that the target strings stand for
  double seconds_per_forward = 0;       ///< measured on this machine, a sample of a full batch
  double seconds() const;               ///< of all methods, for one photo
};
Estimate estimate_explanations(const Model& model, const Image& image, const Methods& methods,
                               std::span<const std::string> targets, const Execution& execution = {});

/// The names of an explanation's files, in the folder of its photo; empty where there is none.
struct ExplanationFiles {
  std::string map{}, cells{}, standard_error{}, overlay{};
  std::map<std::string, std::string> extras{};
};

/// The picture of an explanation: its map over the photo, with a colour bar and a caption; uint8 [H,W,3]. `placed`: the
/// part of the photo that the model saw.
Tensor draw(const Explanation& explanation, const Image& photo, const Rectangle& placed);

/// The text of result.json. `checksums`: SHA-256 of the files by name.
std::string result_to_json(const ImageResult& result, const Model& model, const std::vector<ExplanationFiles>& files,
                           const std::map<std::string, std::string>& checksums = {});

/// The folder of each photo inside the output: STEM, or STEM-2, STEM-3 where stems collide, in the order given.
std::vector<std::string> folder_names(std::span<const std::filesystem::path> photos);

/// Creates the folder where needed and tries to write in it. Throws MachineError.
void check_output_folder(const std::filesystem::path& folder);

class Report {
 public:
  Report(const std::filesystem::path& folder, const Model& model);
  ~Report();

  struct Written {
    std::filesystem::path folder;         ///< of this photo
    std::vector<ExplanationFiles> files;  ///< one an explanation
    std::string json;                     ///< the text of result.json
  };

  /// Writes the folder of one photo. A former result in it is withdrawn first. `name`: of the folder, as folder_names()
  /// gives it for all photos of several runs; empty: the first name that no photo of this report has.
  Written add(const ImageResult& result, const std::string& name = {});

  /// A photo that could not be explained: named in the report, a former result of it is withdrawn.
  void add_failure(const std::filesystem::path& image, const std::string& message, const std::string& name = {});

  /// A line of the report about the run as a whole.
  void add_note(const std::string& note);

  /// Completes OUT/report.html and returns its path.
  std::filesystem::path finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrail
