#include "plan/local.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>

#include "ops/failure.h"
#include "plan/local_schedule.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The changes of one pass: all of one class.
struct Pass {
  std::vector<size_t> members;  ///< of each sample its rectangle's place in the class
  std::vector<int64_t> base;
  std::vector<const LocalChange*> changes;
  bool move = false;

  std::vector<int64_t> of(const std::vector<int64_t>& by_rectangle) const {
    std::vector<int64_t> picked;
    for (const size_t member : members) picked.push_back(by_rectangle[member]);
    return picked;
  }
};

}  // namespace

struct LocalRuns::Impl {
  std::shared_ptr<const Plan::Impl> plan;
  std::vector<ImagePatch> rectangles;
  int64_t batch = 1;
  std::vector<LocalSchedule> classes;
  std::vector<std::pair<size_t, size_t>> places;  ///< of each rectangle: its class, its place there
  std::vector<char> kept;                         ///< by slot: the base's values are needed
  std::vector<PlaneLayout> layouts;               ///< of those
  Tensors bases;                                  ///< by slot [B,...]

  Tensor run_pass(const LocalSchedule& schedule, const Pass& pass);
  Tensor run_class(const LocalSchedule& schedule, const std::vector<const LocalChange*>& changes, int64_t chunk,
                   bool move);
  int64_t chunk_of(const LocalSchedule& schedule);
  int64_t measure(const LocalSchedule& schedule);
  Patches input_patches(const LocalSchedule& schedule, const Pass& pass) const;
  void take_over(int slot, const Pass& pass, const Patches& patches) {
    if (pass.move && kept[static_cast<size_t>(slot)])
      paste(layouts[static_cast<size_t>(slot)], bases[static_cast<size_t>(slot)], pass.base, patches);
  }
};

LocalRuns::LocalRuns(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalRuns::~LocalRuns() = default;

std::unique_ptr<LocalRuns> LocalRuns::make(std::shared_ptr<const Plan::Impl> plan, std::vector<ImagePatch> rectangles,
                                           bool channels_first, int64_t batch) {
  if (!plan->device.is_cpu() || !plan->incremental || plan->outputs.size() != 1 || rectangles.empty() ||
      !can_be_local(*plan))
    return nullptr;
  auto impl = std::make_unique<Impl>();
  impl->plan = std::move(plan);
  impl->rectangles = std::move(rectangles);
  impl->batch = batch;
  impl->kept.assign(impl->plan->constants.size(), 0);
  impl->layouts.resize(impl->plan->constants.size());
  impl->bases.resize(impl->plan->constants.size());
  const PlaneLayout layout{channels_first};
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> by_size;
  const std::vector<std::pair<int64_t, int64_t>> sizes = class_sizes(*impl->plan, layout, impl->rectangles);
  for (size_t r = 0; r < sizes.size(); ++r) by_size[sizes[r]].push_back(r);
  impl->places.resize(impl->rectangles.size());
  for (const auto& [size, numbers] : by_size) {
    std::vector<ImagePatch> members;
    for (const size_t r : numbers) {
      impl->places[r] = {impl->classes.size(), members.size()};
      members.push_back(impl->rectangles[r]);
    }
    impl->classes.push_back(make_schedule(*impl->plan, layout, members, size.first, size.second));
    const LocalSchedule& schedule = impl->classes.back();
    for (size_t slot = 0; slot < impl->kept.size(); ++slot)
      if (schedule.needs_base[slot]) {
        impl->kept[slot] = 1;
        impl->layouts[slot] = schedule.values[slot].layout;
      }
  }
  const bool any = std::any_of(impl->classes.begin(), impl->classes.end(), [](const auto& s) { return s.share < 1; });
  return any ? std::unique_ptr<LocalRuns>(new LocalRuns(std::move(impl))) : nullptr;
}

Tensor LocalRuns::set_bases(const Tensor& inputs) {
  const at::NoGradGuard no_grad;
  Impl& impl = *impl_;
  const Plan::Impl& plan = *impl.plan;
  std::fill(impl.bases.begin(), impl.bases.end(), Tensor());  // the old ones leave before the new ones come
  const Tensor x = inputs.to(plan.input_type);
  const auto keep = [&](int slot, const Tensor& value) {
    if (slot != Plan::Impl::kAbsent && impl.kept[static_cast<size_t>(slot)])
      impl.bases[static_cast<size_t>(slot)] = impl.layouts[static_cast<size_t>(slot)].dense(value);
  };
  const Tensors output = plan.run_chunk(x, [&](size_t step, const Tensors& out, const Tensors&, const Tensors&) {
    const std::vector<int>& slots = plan.bound[step].outputs;
    for (size_t i = 0; i < slots.size() && i < out.size(); ++i) keep(slots[i], out[i]);
  });
  keep(plan.input, x.clone());
  return output[0].clone();
}

Patches LocalRuns::Impl::input_patches(const LocalSchedule& schedule, const Pass& pass) const {
  const auto slot = static_cast<size_t>(plan->input);
  const LocalValue& value = schedule.values[slot];
  const PlaneLayout layout = value.layout;
  Patches patches =
      cut(layout, bases[slot], pass.base, {}, pass.of(value.top), pass.of(value.left), value.rows, value.columns, 0);
  for (size_t i = 0; i < pass.changes.size(); ++i) {
    if (!pass.changes[i]->pixels.defined()) continue;
    const ImagePatch& r = rectangles[pass.changes[i]->rectangle];
    const int64_t row_axis = layout.channels_first ? 1 : 0;
    const Tensor pixels = layout.channels_first ? pass.changes[i]->pixels : pass.changes[i]->pixels.permute({1, 2, 0});
    patches.values[static_cast<int64_t>(i)]
        .narrow(row_axis, r.top - patches.top[i], r.height)
        .narrow(row_axis + 1, r.left - patches.left[i], r.width)
        .copy_(pixels);
  }
  return patches;
}

Tensor LocalRuns::Impl::run_pass(const LocalSchedule& schedule, const Pass& pass) {
  const c10::InferenceMode inference;
  const auto samples = static_cast<int64_t>(pass.members.size());
  RunContext context;
  context.batch = samples;
  std::vector<Patches> parts(bases.size());
  Tensors wholes(bases.size());
  const auto input = static_cast<size_t>(plan->input);
  parts[input] = input_patches(schedule, pass);
  take_over(plan->input, pass, parts[input]);

  const auto expand = [&](size_t slot) {
    const LocalValue& value = schedule.values[slot];
    if (!wholes[slot].defined()) {
      const std::vector<int64_t> origin(pass.members.size(), 0);
      wholes[slot] =
          cut(value.layout, bases[slot], pass.base, parts[slot], origin, origin, value.height, value.width, 0).values;
      parts[slot] = Patches();
    }
    return wholes[slot];
  };
  for (size_t s = 0; s < plan->bound.size(); ++s) {
    const Plan::Impl::Bound& bound = plan->bound[s];
    const LocalStep& local = schedule.steps[s];
    Tensors in(bound.inputs.size());
    for (size_t i = 0; i < in.size(); ++i) {
      if (bound.inputs[i] == Plan::Impl::kAbsent) continue;
      const auto slot = static_cast<size_t>(bound.inputs[i]);
      if (plan->constants[slot].defined()) {
        in[i] = plan->constants[slot];
        continue;
      }
      const LocalValue& value = schedule.values[slot];
      if (local.step) {
        const LocalWindow& window = local.windows[i];
        in[i] = cut(value.layout, bases[slot], pass.base, parts[slot], pass.of(window.top), pass.of(window.left),
                    window.rows, window.columns, local.fill)
                    .values;
      } else {
        in[i] = value.is_part ? expand(slot) : wholes[slot];
      }
      if (bound.is_last[i]) {
        parts[slot] = Patches();
        wholes[slot] = Tensor();
      }
    }
    Tensors out;
    try {
      out = (local.step ? *local.step : *bound.step).run(in, context);
    } catch (...) {
      rethrow_at(node_title(bound.node->spec));
    }
    for (size_t i = 0; i < bound.outputs.size() && i < out.size(); ++i) {
      if (bound.outputs[i] == Plan::Impl::kAbsent) continue;
      const auto slot = static_cast<size_t>(bound.outputs[i]);
      const LocalValue& value = schedule.values[slot];
      if (value.is_part) {
        VITRAIL_CHECK(value.layout.rows(out[i]) == value.rows && value.layout.columns(out[i]) == value.columns,
                      "a part of another size than planned");
        parts[slot] = {std::move(out[i]), pass.of(value.top), pass.of(value.left)};
        take_over(bound.outputs[i], pass, parts[slot]);
      } else {
        wholes[slot] = std::move(out[i]);
        const std::vector<int64_t> origin(pass.members.size(), 0);
        if (kept[slot]) take_over(bound.outputs[i], pass, {wholes[slot], origin, origin});
      }
    }
  }
  const auto output = static_cast<size_t>(plan->outputs[0]);
  return (schedule.values[output].is_part ? expand(output) : wholes[output]).to(at::kFloat).contiguous();
}

Tensor LocalRuns::Impl::run_class(const LocalSchedule& schedule, const std::vector<const LocalChange*>& changes,
                                  int64_t chunk, bool move) {
  const auto count = static_cast<int64_t>(changes.size()), passes = (count + chunk - 1) / chunk;
  Tensors rows(static_cast<size_t>(passes));
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p * chunk, last = std::min(count, first + chunk);
      Pass pass{{}, {}, {changes.begin() + first, changes.begin() + last}, move};
      for (const LocalChange* change : pass.changes) {
        pass.members.push_back(places[change->rectangle].second);
        pass.base.push_back(change->base);
      }
      rows[static_cast<size_t>(p)] = run_pass(schedule, pass);
    }
  };
  if (plan->split.side_by_side)
    at::parallel_for(0, passes, 1, run);
  else
    run(0, passes);
  return at::cat(rows);  // a copy: tensors of the inference mode may not be used in a later backward
}

Tensor LocalRuns::run(const std::vector<LocalChange>& changes, bool move) {
  const at::NoGradGuard no_grad;
  Impl& impl = *impl_;
  std::map<size_t, std::vector<size_t>> by_class;
  for (size_t i = 0; i < changes.size(); ++i) by_class[impl.places.at(changes[i].rectangle).first].push_back(i);
  Tensor result;
  for (const auto& [number, rows] : by_class) {
    const LocalSchedule& schedule = impl.classes[number];
    std::vector<const LocalChange*> members;
    for (const size_t row : rows) members.push_back(&changes[row]);
    const int64_t chunk = std::max<int64_t>(1, impl.chunk_of(schedule));
    const Tensor found = impl.run_class(schedule, members, chunk, move);
    if (by_class.size() == 1) return found;
    if (!result.defined()) {
      Ints sizes = found.sizes().vec();
      sizes[0] = static_cast<int64_t>(changes.size());
      result = at::empty(sizes, found.options());
    }
    for (size_t i = 0; i < rows.size(); ++i)
      result[static_cast<int64_t>(rows[i])].copy_(found[static_cast<int64_t>(i)]);
  }
  return result;
}

int64_t LocalRuns::Impl::chunk_of(const LocalSchedule& schedule) {
  const std::lock_guard lock(plan->decisions_mutex);
  const std::pair size{schedule.height, schedule.width};
  if (const auto found = plan->decisions.find(size); found != plan->decisions.end()) return found->second;
  return plan->decisions[size] = measure(schedule);
}

/// Samples a pass, or 0 where whole samples take less time.
int64_t LocalRuns::Impl::measure(const LocalSchedule& schedule) {
  constexpr double kClear = 0.8;  // of the time of whole samples, measured at another moment on a busy machine
  if (schedule.share >= 1) return 0;
  const Tensor base = bases[static_cast<size_t>(plan->input)];
  VITRAIL_CHECK(base.defined(), "local runs are timed on a base");
  std::vector<size_t> members;
  for (size_t r = 0; r < places.size(); ++r)
    if (&classes[places[r].first] == &schedule) members.push_back(r);
  std::vector<LocalChange> still(static_cast<size_t>(batch));
  std::vector<const LocalChange*> changes;
  for (size_t i = 0; i < still.size(); ++i) {
    still[i].rectangle = members[i * members.size() / still.size()];
    changes.push_back(&still[i]);
  }
  // Many at once: small tensors leave room in the caches, and calls cost as much as for large ones.
  const int64_t chunk = std::max<int64_t>(1, batch / (plan->split.side_by_side ? at::get_num_threads() : 1));
  const auto time_local = [&] {
    return seconds_of([&] { run_class(schedule, changes, chunk, false); }) / static_cast<double>(batch);
  };
  time_local();  // kernels are made for each size
  double local = time_local();
  if (plan->seconds > 0 && local < kClear * plan->seconds) return chunk;
  if (plan->seconds > 0 && local * kClear > plan->seconds) return 0;
  const Tensor samples = base.narrow(0, 0, 1).repeat({batch, 1, 1, 1});
  double whole = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 2; ++round) {
    whole = std::min(whole, seconds_of([&] { plan->run(samples, plan->split); }) / static_cast<double>(batch));
    local = std::min(local, time_local());
  }
  return local < whole ? chunk : 0;
}

bool LocalRuns::pays(size_t rectangle) {
  return impl_->chunk_of(impl_->classes[impl_->places.at(rectangle).first]) > 0;
}

double LocalRuns::share(size_t rectangle) const { return impl_->classes[impl_->places.at(rectangle).first].share; }

int64_t LocalRuns::bytes_of_bases() const {
  int64_t bytes = 0;
  for (const Tensor& base : impl_->bases)
    if (base.defined()) bytes += static_cast<int64_t>(base.nbytes());
  return bytes;
}

std::string LocalRuns::record() const {
  std::string text;
  const std::lock_guard lock(impl_->plan->decisions_mutex);
  for (const LocalSchedule& schedule : impl_->classes) {
    const auto found = impl_->plan->decisions.find({schedule.height, schedule.width});
    if (found == impl_->plan->decisions.end()) continue;
    text += (text.empty() ? "" : " ") + std::to_string(schedule.height) + "x" + std::to_string(schedule.width) + ":" +
            std::to_string(found->second);
  }
  return text;
}

}  // namespace vitrail
