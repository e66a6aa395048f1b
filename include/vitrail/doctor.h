#pragma once

// What can be known of a model before it is trusted: `vitrail doctor`, for programs that link vitrail.
//
//   const vitrail::Diagnosis diagnosis = vitrail::diagnose("model.onnx", photos);
//   std::puts(vitrail::to_json(diagnosis).c_str());
//
// The examination goes on as far as it can: a part that cannot be had is absent, with a word in `warnings`.

#include <vitrail/execution.h>
#include <vitrail/image.h>
#include <vitrail/model.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

struct DiagnosisOptions {
  ModelOptions model = {};
  int64_t batch = 8;  ///< the larger batch at which speed is measured
  /// A Python that has ONNX Runtime; empty: VITRAIL_PYTHON of the environment, else python3.
  std::string python = {};
  Listener* listener = nullptr;  ///< not owned; hears what is being examined
};

/// Value by value against ONNX Runtime, its optimisations off, on one sample: max |a - b| / max |b| at most the
/// tolerance (of a Sigmoid or Softmax the size counts as .01 at least: rounding is as large as what is below), whole
/// numbers equal. Where rounding decides ties (the maximum of neighbours, a sorting order), both may be right: whole
/// numbers made from others that differ in a hundredth of their places at most, and what follows from them, are not
/// judged but counted.
struct Agreement {
  static constexpr double kTolerance = 1e-3;
  std::string reference;              ///< "onnxruntime 1.32.0"
  int64_t values = 0;                 ///< compared
  int64_t undecided = 0;              ///< not judged
  double max_relative_error = 0;      ///< of the outputs
  std::string first_diverging_value;  ///< in order of computation; empty where none does
  std::string first_diverging_node;   ///< "Conv node 'conv1'"
};

/// Units of an activation that cannot move: at an end of their range.
struct Saturation {
  std::string node;   ///< "Relu node 'relu_3'"
  std::string value;  ///< the activation's output
  double share = 0;   ///< of its units, over all samples
  double dead = 0;    ///< share of channels that are at the lower end everywhere on every sample
};

/// Images per second.
struct Speed {
  std::string engine;  ///< plain, plan, onnxruntime
  int64_t batch = 1, chunk = 1, threads = 1;
  double images_per_second = 0;
};

struct PhotoDiagnosis {
  std::string path;
  Prediction top;
};

struct Diagnosis {
  std::string path;
  std::string obstacle;                  ///< why the model cannot be explained; empty where it can
  std::vector<std::string> unsupported;  ///< "MyOp node 'a', domain 'x', opset 1"
  std::optional<BatchSupport> batch;
  std::optional<Agreement> agreement;
  std::string input, preprocess, preprocess_source;  ///< "'x' float32 [N,3,224,224]", JSON, where it is from
  std::vector<PhotoDiagnosis> photos;
  std::vector<std::string> non_differentiable;  ///< nodes between input and logits whose gradient is zero
  std::vector<Saturation> saturation;           ///< one an activation, in order of computation
  std::vector<Speed> speed;
  std::vector<std::string> warnings;
};

/// Throws what reading the file throws where it is no ONNX file at all; else never refuses.
Diagnosis diagnose(const std::filesystem::path& model, const std::vector<Image>& photos,
                   const DiagnosisOptions& options = {});

/// The document of `vitrail doctor --json` (docs/commands.md).
std::string to_json(const Diagnosis& diagnosis);

}  // namespace vitrail
