// Running a plan: pass by pass, step by step, each value handed to its last user.

#include "vitrail/plan.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "ops/describe.h"
#include "ops/failure.h"
#include "plan/openmp.h"
#include "plan/passes.h"
#include "plan/plan_impl.h"
#include "vitrail/error.h"

namespace vitrail {

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

std::string precision_name(at::ScalarType precision) {
  return precision == at::kFloat ? "float32" : precision == at::kHalf ? "fp16" : "bf16";
}

bool is_by_sample(const Shape& shape) {
  return !shape.empty() && shape[0] == Dim{0, 1} &&
         std::all_of(shape.begin() + 1, shape.end(), [](const Dim& dim) { return dim.per_batch == 0; });
}

Tensor Plan::Impl::prepared(const Tensor& x) const {
  // Out of pinned memory the copy runs beside what the device computes and the CPU does next.
  const bool travels = x.device() != device && x.is_cpu();
  Tensor here = travels ? x.pin_memory().to(device, x.scalar_type(), /*non_blocking=*/true) : x.to(device);
  if (here.scalar_type() == at::kFloat) here = here.to(precision);
  return here.dim() == 4 && here.is_floating_point() ? here.contiguous(at::MemoryFormat::ChannelsLast) : here;
}

void Plan::Impl::wait_for_device() const {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

Tensors Plan::Impl::run_chunk(const Tensor& x, const Watch& watch) const {
  c10::InferenceMode inference;
  return run_steps(x, watch);
}

Tensors Plan::Impl::run_steps(const Tensor& x, const Watch& watch) const {
  RunContext context;
  context.batch = x.size(0);
  Tensors slots(constants.size());
  slots[input] = prepared(x);
  for (size_t n = 0; n < bound.size(); ++n) {
    const Bound& step = bound[n];
    Tensors in(step.inputs.size());
    for (size_t i = 0; i < in.size(); ++i) {
      const int id = step.inputs[i];
      if (id == kAbsent) continue;
      if (constants[id].defined())
        in[i] = constants[id];
      else if (step.is_last[i])
        in[i] = std::move(slots[id]);
      else
        in[i] = slots[id];
    }
    Tensors out;
    try {
      out = step.step->run(in, context);
    } catch (...) {
      rethrow_at(node_title(step.node->spec));
    }
    if (watch) watch(n, out, in, slots);
    for (size_t i = 0; i < step.outputs.size() && i < out.size(); ++i)
      if (step.outputs[i] != kAbsent) slots[step.outputs[i]] = std::move(out[i]);
  }
  Tensors values;
  for (const int id : outputs) values.push_back(slots[id].to(at::kFloat).contiguous());
  return values;
}

namespace {

/// A pass that computes `size` samples for those there are.
Tensors run_on_device(const Plan::Impl& plan, const Tensor& x, int64_t size) {
  const Tensor filled = fill_up(plan.prepared(x), size);
  Tensors values = plan.graphs ? plan.graphs->run(filled) : plan.run_chunk(filled);
  for (Tensor& value : values) value = value.narrow(0, 0, x.size(0));
  return values;
}

}  // namespace

Tensors Plan::Impl::run(const Tensor& x, const Split& split) const {
  at::NoGradGuard no_grad;
  const std::vector<Pass> passes = passes_of(x.size(0), split.chunk, device);
  std::vector<Tensors> parts(passes.size());
  const auto run_passes = [&](int64_t begin, int64_t end) {
    const auto one_thread = split.side_by_side ? std::make_optional<OneThread>() : std::nullopt;
    for (int64_t i = begin; i < end; ++i) {
      const Pass& pass = passes[static_cast<size_t>(i)];
      const Tensor some = x.narrow(0, pass.first, pass.samples);
      parts[static_cast<size_t>(i)] = device.is_cpu() ? run_chunk(some) : run_on_device(*this, some, pass.size);
    }
  };
  if (split.side_by_side)
    at::parallel_for(0, static_cast<int64_t>(passes.size()), 1, run_passes);
  else
    run_passes(0, static_cast<int64_t>(passes.size()));
  // A copy also where there is one part: tensors of the inference mode may not be used in a later backward.
  Tensors values;
  for (size_t i = 0; i < outputs.size(); ++i) {
    Tensors pieces;
    for (const Tensors& part : parts) pieces.push_back(part[i]);
    values.push_back(at::cat(pieces));
  }
  return values;
}

Tensor Plan::run(const Tensor& input) const { return run_all(input)[0]; }

void Plan::Impl::check_input(const Tensor& x) const {
  bool fits = static_cast<size_t>(x.dim()) == input_shape.size() && x.size(0) > 0;
  for (size_t i = 1; fits && i < input_shape.size(); ++i) fits = x.size(i) == input_shape[i].fixed;
  if (!fits)
    throw UsageError("a plan for inputs of shape " + to_string(input_shape) + " was given " + shape_text(x) + ".");
}

Tensors Plan::run_recorded(const Tensor& input) const {
  impl_->check_input(input);
  if (!has_gradients())
    throw UsageError("this plan gives no gradients" +
                     (why_no_gradients().empty() ? std::string(": they were not asked for (PlanOptions::gradients)")
                                                 : ": " + why_no_gradients()) +
                     ".");
  return impl_->run_steps(input.to(impl_->input_type));
}

Tensors Plan::run_all(const Tensor& input) const {
  impl_->check_input(input);
  return impl_->run(input.to(impl_->input_type), impl_->split);
}

const std::vector<PlanStep>& Plan::steps() const { return impl_->steps; }
int64_t Plan::chunk() const { return impl_->split.chunk; }
bool Plan::side_by_side() const { return impl_->split.side_by_side; }
std::string Plan::precision() const { return precision_name(impl_->precision); }
bool Plan::has_gradients() const { return impl_->has_gradients; }
const std::string& Plan::why_no_gradients() const { return impl_->why_no_gradients; }
double Plan::difference() const { return impl_->difference; }
int64_t Plan::gradient_chunk() const { return impl_->gradient_chunk; }
double Plan::gradient_difference() const { return impl_->gradient_difference; }
int64_t Plan::bytes_per_sample() const { return impl_->bytes_per_sample; }

int64_t Plan::bytes_of_weights() const {
  int64_t bytes = 0;
  for (const Impl::Bound& bound : impl_->bound) bytes += bound.step->bytes();
  return bytes;
}

double Plan::seconds_per_sample() const {
  double seconds = 0;
  for (const PlanStep& step : steps()) seconds += step.seconds;
  return seconds;
}

std::map<std::string, std::string> Plan::record() const {
  const bool on_cpu = impl_->device.is_cpu();
  std::map<std::string, std::string> record = {{"engine", "plan"},
                                               {"precision", precision()},
                                               {"kernels", !on_cpu         ? "cuDNN"
                                                           : impl_->direct ? "oneDNN"
                                                                           : "libtorch"},
                                               {"chunk", std::to_string(chunk())},
                                               {"side_by_side", side_by_side() ? "yes" : "no"},
                                               {"threads", std::to_string(at::get_num_threads())},
                                               {"difference", two_digits(difference())}};
  if (!on_cpu) record["graphs"] = impl_->graphs ? "yes" : "no";
  if (!impl_->incremental) record["incremental"] = "none";
  if (has_gradients()) {
    record["gradients"] = "plan";
    record["gradient_chunk"] = std::to_string(gradient_chunk());
    record["gradient_difference"] = two_digits(gradient_difference());
  }
  if (!why_no_gradients().empty()) record["gradients"] = "graph";
  return record;
}

std::shared_ptr<const Plan::Impl> Plan::impl() const { return impl_; }

}  // namespace vitrail
