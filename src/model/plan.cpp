// A model's plan: what it is made and compared on.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "vitrail/model.h"

namespace vitrail {
namespace {

constexpr int64_t kSamples = 16;
constexpr uint64_t kSeed = 1;

/// Soft blobs of colour, [1,C,H,W] in the model's input space: for want of a photo.
Tensor image_of_noise(const Preprocess& preprocess, at::Generator& generator) {
  const Tensor cells = at::rand({1, preprocess.channels(), 7, 7}, generator);
  const Tensor black = pixel_in_input_space(0, preprocess), white = pixel_in_input_space(255, preprocess);
  return black + at::upsample_bilinear2d(cells, {preprocess.height, preprocess.width}, false) * (white - black);
}

/// The image, and copies of it with half of a coarse grid's cells at zero: what black-box methods send.
Tensor hide_parts(const Tensor& image, at::Generator& generator) {
  const Tensor cells = at::rand({kSamples, 1, 7, 7}, generator).gt(0.5).to(image.scalar_type());
  cells[0].fill_(1);
  return image * at::upsample_nearest2d(cells, {image.size(2), image.size(3)});
}

}  // namespace

Model Model::with_plan(const PlanOptions& options, const Tensor& input) const {
  at::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(kSeed);
  PlanOptions chosen = options;
  chosen.samples = to_layout(hide_parts(input.defined() ? input : image_of_noise(preprocess_, generator), generator));
  Model model = *this;
  const auto attempt = [&](const std::string& instead) {
    Plan::Attempt made = Plan::make(*graph_, input_value_, output_values(), chosen);
    model.plan_ = std::move(made.plan);
    if (!model.plan_)
      model.warnings_.push_back("there is no " + chosen.precision + " plan for this model, " + instead + ": " +
                                made.refusal + ".");
    else if (!model.plan_->why_no_gradients().empty())
      model.warnings_.push_back("gradients come from the graph as it is: " + model.plan_->why_no_gradients() + ".");
    return model.plan_ != nullptr;
  };
  if (chosen.precision != "float32" && attempt("scores are in float32")) return model;
  chosen.precision = "float32";
  attempt("scores come from the graph as it is");
  return model;
}

Model Model::without_plan() const {
  Model model = *this;
  model.plan_ = nullptr;
  return model;
}

}  // namespace vitrail
