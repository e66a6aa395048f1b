// A model's plan: what it is made and compared on.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "base/display.h"
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

const std::string in_float32 = "scores are in float32";

/// `plan` in float32 becomes `other`, of less precision, where that is faster; processors that can compute in bf16 but
/// have no units for its matrix products are slower in it.
void take_faster(std::shared_ptr<const Plan>& plan, const std::shared_ptr<const Plan>& other,
                 std::vector<std::string>& warnings) {
  const double exact = plan->seconds_per_sample(), reduced = other->seconds_per_sample();
  if (reduced < exact)
    plan = other;
  else
    warnings.push_back(other->precision() + " is slower than float32 on this machine (" + show_number(1e3 * reduced) +
                       " ms a sample, and " + show_number(1e3 * exact) + " ms): " + in_float32 + ".");
}

}  // namespace

Model Model::with_plan(const PlanOptions& options, const Tensor& input) const {
  at::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(kSeed);
  PlanOptions chosen = options;
  chosen.samples = to_layout(hide_parts(input.defined() ? input : image_of_noise(preprocess_, generator), generator));
  Model model = *this;
  const auto attempt = [&](const std::string& precision, const std::string& instead) {
    chosen.precision = precision;
    Plan::Attempt made = Plan::make(*graph_, input_value_, output_values(), chosen);
    if (!made.plan)
      model.warnings_.push_back("there is no " + precision + " plan for this model, " + instead + ": " + made.refusal +
                                ".");
    return made.plan;
  };
  const std::string wanted = options.precision, exact = "float32";
  if (wanted != exact) model.plan_ = attempt(wanted, in_float32);
  const bool is_replay = options.chunk > 0;
  if (!model.plan_ || (graph_->device().is_cpu() && !is_replay)) {
    const auto other = model.plan_;
    model.plan_ = attempt(exact, "scores come from the graph as it is");
    if (other && model.plan_) take_faster(model.plan_, other, model.warnings_);
  }
  if (model.plan_ && !model.plan_->why_no_gradients().empty())
    model.warnings_.push_back("gradients come from the graph as it is: " + model.plan_->why_no_gradients() + ".");
  return model;
}

Model Model::with_constants(const std::map<std::string, Tensor>& constants) const {
  Model model = without_plan();
  model.graph_ = std::make_shared<const Graph>(graph_->with_constants(constants));
  return model;
}

Model Model::without_plan() const {
  Model model = *this;
  model.plan_ = nullptr;
  return model;
}

}  // namespace vitrail
