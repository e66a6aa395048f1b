#pragma once

// From a photo and a target string to the tensor and the scorer that methods work on.

#include <vitrail/image.h>
#include <vitrail/model.h>

#include <memory>
#include <string>

namespace vitrail {

struct PreparedRun {
  Tensor input;                  ///< [1,C,H,W]
  std::unique_ptr<Probe> probe;  ///< of the resolved targets
};

/// Prepares the photo and resolves the target against the model's prediction for it.
PreparedRun prepare_run(const Model& model, const Image& image, const std::string& target);

/// `call(probe, input)` on the prepared photo.
template <class Call>
auto explain_image(const Model& model, const Image& image, const std::string& target, const Call& call) {
  const PreparedRun prepared = prepare_run(model, image, target);
  return call(*prepared.probe, prepared.input);
}

}  // namespace vitrail
