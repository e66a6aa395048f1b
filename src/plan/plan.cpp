// Making a plan: fuse, pack, compare with the graph, time chunks. Running it: step by step, each value handed to its
// last user.

#include "vitrail/plan.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>

#include "ops/describe.h"
#include "ops/failure.h"
#include "plan/cuda_graph.h"
#include "plan/direct.h"
#include "plan/openmp.h"
#include "plan/passes.h"
#include "plan/plan_impl.h"
#include "vitrail/error.h"
#include "vitrail/memory.h"

namespace vitrail {

namespace {

/// The plan cannot be: says why.
struct Refusal {
  std::string why;
};

constexpr double kRankAgreement = 0.95;
constexpr int64_t kDefaultSamples = 16, kSamplesAPass = 8;
constexpr int64_t kMostTimed = 64;           ///< larger chunks are never faster on a CPU
constexpr int64_t kMostTimedOnDevice = 512;  ///< by then a GPU is full
constexpr uint64_t kSeed = 1;

/// "auto", "none", or what LocalRuns::record() said.
void read_decisions(Plan::Impl& plan, const std::string& text) {
  plan.incremental = text != "none";
  if (text == "auto" || text == "none") return;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    int64_t height = 0, width = 0, chunk = -1;
    char times = 0, colon = 0;
    std::istringstream numbers(word);
    if (!(numbers >> height >> times >> width >> colon >> chunk) || times != 'x' || colon != ':' || chunk < 0)
      throw UsageError("incremental is '" + text +
                       "'; expected auto, none, or sizes with the samples a pass such as "
                       "'32x32:8 64x64:0'.");
    plan.decisions[{height, width}] = chunk;
  }
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

at::ScalarType parse_precision(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  throw UsageError("unknown precision '" + name + "'; expected float32, bf16 or fp16.");
}

std::string name_of(at::ScalarType precision) {
  return precision == at::kFloat ? "float32" : precision == at::kHalf ? "fp16" : "bf16";
}

double usual_tolerance(at::ScalarType precision) { return precision == at::kFloat ? 1e-4 : 1.5e-2; }

/// What must hold before any work is done.
void check_possible(const Graph::Impl& graph, int input, const std::vector<int>& outputs, at::ScalarType precision) {
  const bool on_cpu = graph.device.is_cpu();
  if (on_cpu && !onednn::is_linked() && !onednn::available())
    throw Refusal{"this libtorch has no fused oneDNN operators"};
  if (graph.float_type != at::kFloat) throw Refusal{"the model computes in float64"};
  if (!graph.batch.generalises) throw Refusal{"the model cannot run several samples at once: " + graph.batch.reason};
  for (const int id : outputs)
    if (graph.values[id].constant.defined()) throw Refusal{"'" + graph.values[id].name + "' is a constant"};
  std::vector<int> ends = outputs;
  ends.push_back(input);
  for (const int id : ends)
    if (!is_by_sample(graph.values[id].traced.shape))
      throw Refusal{"'" + graph.values[id].name + "' has the shape " + to_string(graph.values[id].traced.shape) +
                    "; plans need one row a sample"};
  if (on_cpu && precision == at::kBFloat16 && !onednn::has_bf16())
    throw Refusal{"this processor has no bf16 arithmetic (AVX512-BF16 or AMX)"};
  if (on_cpu && precision == at::kHalf)
    throw Refusal{"fp16 is for CUDA devices and the model is on the CPU, whose kernels compute in float32 or bf16"};
}

/// Where an operator reads a constant without waiting for the device: numbers that become arguments of a kernel on the
/// CPU, positions that a kernel reads on the device.
Tensor placed(const Tensor& constant, const NodeSpec& node, size_t input, const c10::Device& device) {
  const std::string& op = node.op_type;
  const bool is_number = constant.numel() == 1 && ((op == "Pow" && input == 1) || (op == "Pad" && input == 2));
  if (is_number) return constant.reshape({}).cpu();
  const bool holds_positions = input == 1 && (op.starts_with("Gather") || op.starts_with("Scatter"));
  const bool is_mask = input == 0 && op == "Where";
  return constant.dim() > 0 && (holds_positions || is_mask) ? constant.to(device) : constant;
}

/// Slots for the values that the steps use, steps bound to them.
void bind_steps(Plan::Impl& plan, const Graph::Impl& graph, std::vector<DraftStep> drafts, int input,
                const std::vector<int>& outputs, const StepOptions& options) {
  std::unordered_map<int, int> slots;
  const auto new_slot = [&](int id, const Tensor& constant) {
    plan.constants.push_back(constant);
    plan.values.push_back(id);
    return static_cast<int>(plan.values.size()) - 1;
  };
  const auto slot = [&](int id) {
    if (id == Plan::Impl::kAbsent) return id;
    if (const auto known = slots.find(id); known != slots.end()) return known->second;
    Tensor constant = graph.values[id].constant;
    if (constant.defined() && constant.scalar_type() == at::kFloat) constant = constant.to(plan.precision);
    return slots[id] = new_slot(id, constant);
  };
  const auto input_slot = [&](const DraftStep& draft, size_t i) {
    const int id = draft.inputs[i];
    if (plan.device.is_cpu() || id == Plan::Impl::kAbsent || draft.layer) return slot(id);
    const Tensor& constant = graph.values[id].constant;
    const Tensor here = constant.defined() ? placed(constant, draft.node->spec, i, plan.device) : constant;
    return here.is_same(constant) ? slot(id) : new_slot(id, here);
  };
  plan.input = slot(input);
  for (const int id : outputs) plan.outputs.push_back(slot(id));
  for (DraftStep& draft : drafts) {
    Plan::Impl::Bound bound;
    bound.step = make_step(draft, graph, options);
    bound.node = draft.node;
    PlanStep about;
    about.op = draft.op;
    about.node = draft.node->spec.name;
    about.details = bound.step->details();
    for (size_t i = 0; i < draft.inputs.size(); ++i) {
      const int id = draft.inputs[i];
      bound.inputs.push_back(input_slot(draft, i));
      if (id != Plan::Impl::kAbsent) about.inputs.push_back(graph.values[id].name);
    }
    for (const int id : draft.node->outputs) bound.outputs.push_back(slot(id));
    about.output = graph.values[draft.node->outputs[0]].name;
    draft.layer.reset();  // the packed weights stay
    plan.steps.push_back(std::move(about));
    plan.bound.push_back(std::move(bound));
  }
  // From the end: the first use met is the last one; an output that is not used is not kept.
  std::vector<char> needed(plan.constants.size(), 0);
  for (const int id : plan.outputs) needed[id] = 1;
  for (auto step = plan.bound.rbegin(); step != plan.bound.rend(); ++step) {
    for (int& output_slot : step->outputs)
      if (output_slot != Plan::Impl::kAbsent && !needed[output_slot]) output_slot = Plan::Impl::kAbsent;
    step->is_last.assign(step->inputs.size(), 0);
    for (size_t i = step->inputs.size(); i-- > 0;) {
      const int id = step->inputs[i];
      if (id == Plan::Impl::kAbsent || plan.constants[id].defined()) continue;
      step->is_last[i] = !needed[id];
      needed[id] = 1;
    }
  }
}

double relative_difference(const Tensor& a, const Tensor& b) {
  const Tensor difference = (a - b).abs().max(), size = b.abs().max();
  return difference.item<double>() / std::max(size.item<double>(), 1e-30);
}

Tensor ranks(const Tensor& values) { return values.argsort().argsort().to(at::kDouble); }

/// Spearman's, of the samples' scores in the column that leads for the first sample.
double rank_agreement(const Tensor& a, const Tensor& b) {
  const int64_t column = b[0].flatten().argmax().item<int64_t>();
  const auto centred = [&](const Tensor& scores) {
    const Tensor r = ranks(scores.flatten(1).select(1, column));
    return r - r.mean();
  };
  const Tensor x = centred(a), y = centred(b);
  return ((x * y).sum() / (x.square().sum() * y.square().sum()).sqrt()).item<double>();
}

Tensors in_passes(const Tensor& samples, int64_t pass, const std::function<Tensors(const Tensor&)>& run) {
  std::vector<Tensors> parts;  // of every output
  for (int64_t first = 0; first < samples.size(0); first += pass) {
    const Tensors values = run(samples.narrow(0, first, std::min(pass, samples.size(0) - first)));
    parts.resize(values.size());
    for (size_t i = 0; i < values.size(); ++i) parts[i].push_back(values[i].to(at::kFloat));
  }
  Tensors joined;
  for (const Tensors& of_output : parts) joined.push_back(at::cat(of_output));
  return joined;
}

/// One output at a time: the plan differs by as much as the worst of them.
void compare(Plan::Impl& plan, const Tensor& found, const Tensor& expected, double tolerance) {
  if (!expected.isfinite().all().item<bool>())
    throw Refusal{"the model gives NaN or infinity on the samples, so that nothing can be compared"};
  const double difference = relative_difference(found, expected);
  plan.difference = std::max(plan.difference, difference);
  if (!(difference <= tolerance))
    throw Refusal{"it differs from the graph by " + number(difference) +
                  " of the largest value (allowed: " + number(tolerance) + ")"};
  if (plan.precision == at::kFloat || found.size(0) < 2) return;
  const double agreement = rank_agreement(found, expected);
  if (!(agreement >= kRankAgreement))
    throw Refusal{"in " + name_of(plan.precision) + " the samples change their order (rank correlation " +
                  number(agreement) + ", asked for " + number(kRankAgreement) + ")"};
}

/// The samples, again and again, up to a number.
Tensor repeat_to(const Tensor& samples, int64_t count) {
  Tensors parts;
  for (int64_t left = count; left > 0; left -= samples.size(0))
    parts.push_back(samples.narrow(0, 0, std::min(left, samples.size(0))));
  return at::cat(parts);
}

double median(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// The candidate that takes least, by the median of a few interleaved runs; and that median, if it was timed.
struct Fastest {
  size_t candidate = 0;
  double seconds = 0;
};
Fastest find_fastest(size_t candidates, const std::function<void(size_t candidate)>& run) {
  constexpr int kRounds = 5;
  constexpr double kSeconds = 0.5;
  if (candidates == 1) return {};
  std::vector<std::vector<double>> seconds(candidates);
  for (size_t i = 0; i < candidates; ++i) run(i);  // kernels are made for each size
  const double begin = now();
  for (int round = 0; round < kRounds && (round == 0 || now() - begin < kSeconds); ++round)
    for (size_t i = 0; i < candidates; ++i) {
      const double start = now();
      run(i);
      seconds[i].push_back(now() - start);
    }
  Fastest fastest{0, median(seconds[0])};
  for (size_t i = 1; i < candidates; ++i)
    if (const double time = median(seconds[i]); time < fastest.seconds) fastest = {i, time};
  return fastest;
}

/// On a CPU 1, 2, 4, 8 samples and all of them; on a device, where little work leaves most of it idle, 8, 16, 32 and so
/// on.
std::vector<int64_t> possible_chunks(const Plan::Impl& plan, int64_t samples) {
  std::set<int64_t> chunks = {samples};
  const int64_t least = plan.device.is_cpu() ? 1 : 8, most = plan.device.is_cpu() ? 8 : samples;
  for (int64_t chunk = least; chunk <= most && chunk < samples; chunk *= 2) chunks.insert(chunk);
  return {chunks.begin(), chunks.end()};
}

/// Of chunks, and side by side where that occupies every thread: what takes least for the batch.
Split fastest_split(Plan::Impl& plan, const Tensor& batch) {
  const int64_t samples = batch.size(0), threads = plan.device.is_cpu() ? at::get_num_threads() : 1;
  std::vector<Split> splits;
  for (const int64_t chunk : possible_chunks(plan, samples)) splits.push_back({chunk, false});
  for (const int64_t chunk : possible_chunks(plan, samples))
    if (threads > 1 && chunk * threads <= samples) splits.push_back({chunk, true});
  const auto run = [&](size_t i) {
    plan.run(batch, splits[i]);
    plan.wait_for_device();
  };
  for (size_t i = 0; plan.graphs && i < splits.size(); ++i) run(i);  // graphs are made from the second run on
  const Fastest fastest = find_fastest(splits.size(), run);
  plan.seconds = fastest.seconds / static_cast<double>(samples);
  return splits[fastest.candidate];
}

/// What the outputs add up to with random weights: something to differentiate that sees every one of them.
Tensor weighted_sum(const Tensors& outputs) {
  at::Generator generator = at::detail::createCPUGenerator(kSeed);
  Tensor sum = at::zeros({});
  for (const Tensor& output : outputs) sum = sum + (output * at::randn(output.sizes().slice(1), generator)).sum();
  return sum;
}

/// Rounding moves a unit across the end of its activation's piece here and there: gradients differ by more than values.
constexpr double kGradientTolerance = 0.05;
constexpr int64_t kGradientSamples = 8;

/// Compares the gradients of the plan and of the graph; and how many samples are best differentiated at a time.
void add_gradients(Plan::Impl& plan, const Graph& graph, const std::string& input,
                   const std::vector<std::string>& outputs, const Tensor& x, int64_t chunk) {
  if (plan.precision != at::kFloat) plan.why_no_gradients = "the plan computes in " + name_of(plan.precision);
  if (!plan.direct) plan.why_no_gradients = "the plan computes by libtorch's operators";
  if (!at::isFloatingType(plan.input_type)) plan.why_no_gradients = "the input is of whole numbers";
  if (!plan.why_no_gradients.empty()) return;
  const at::AutoGradMode recording(true);
  const auto in_chunks = [&](int64_t size, const std::function<Tensors(const Tensor&)>& run) {
    return in_passes(x, size,
                     [&](const Tensor& part) -> Tensors {
                       const Tensor leaf = part.clone().requires_grad_(true);
                       return gradient({weighted_sum(run(leaf))}, {leaf});
                     })[0]
        .flatten(1);
  };
  const auto by_plan = [&](const Tensor& leaf) { return plan.run_steps(leaf); };
  const Tensor found = in_chunks(chunk > 0 ? chunk : 1, by_plan);
  const Tensor expected =
      in_chunks(kGradientSamples, [&](const Tensor& leaf) { return graph.run({{input, leaf}}, outputs); });
  plan.gradient_difference =
      ((found - expected).norm(2, 1) / expected.norm(2, 1).clamp_min(1e-30)).max().item<double>();
  plan.has_gradients = plan.gradient_difference <= kGradientTolerance;
  if (!plan.has_gradients) {
    plan.why_no_gradients = "they differ from the graph's by " + number(plan.gradient_difference) +
                            " of their size (allowed: " + number(kGradientTolerance) + ")";
    return;
  }
  const std::vector<int64_t> chunks = chunk > 0 ? std::vector<int64_t>{chunk} : possible_chunks(plan, x.size(0));
  plan.gradient_chunk = chunks[find_fastest(chunks.size(), [&](size_t i) { in_chunks(chunks[i], by_plan); }).candidate];
}

/// Of the storages behind the tensors, each once.
int64_t bytes_of(std::initializer_list<const Tensors*> lists) {
  std::set<const void*> seen;
  int64_t bytes = 0;
  for (const Tensors* list : lists)
    for (const Tensor& t : *list)
      if (t.defined() && t.has_storage() && seen.insert(t.storage().unsafeGetStorageImpl()).second)
        bytes += static_cast<int64_t>(t.storage().nbytes());
  return bytes;
}

/// Bytes and seconds of every step, a sample.
void measure(Plan::Impl& plan, const Tensor& x) {
  const int64_t samples = x.size(0);
  double last = now();
  plan.run_chunk(x, [&](size_t step, const Tensors& out, const Tensors& in, const Tensors& slots) {
    plan.wait_for_device();
    plan.steps[step].seconds = (now() - last) / static_cast<double>(samples);
    plan.steps[step].bytes = bytes_of({&out}) / samples;
    plan.bytes_per_sample = std::max(plan.bytes_per_sample, bytes_of({&out, &in, &slots}) / samples);
    last = now();
  });
}

/// On a CUDA device, where vitrail was built with them.
void use_graphs(Plan::Impl& plan) {
  if (!plan.device.is_cuda() || !cuda::has_graphs()) return;
  plan.graphs = std::make_unique<cuda::GraphRuns>(plan.device,
                                                  [inside = &plan](const Tensor& x) { return inside->run_chunk(x); });
}

/// Of the chosen chunk alone: those of the others give their memory back. Without graphs where that fails, or where a
/// replay on other values is not what the kernels give one by one.
void record_graph(Plan::Impl& plan, const Tensor& samples) {
  use_graphs(plan);
  const Tensor some = plan.prepared(samples),
               others = plan.prepared(samples.flip(0).mul(0.5).to(samples.scalar_type()));
  for (int i = 0; i < 2; ++i) plan.graphs->run(some);
  bool works = plan.graphs->recorded() > 0;
  if (works) {
    const Tensors found = plan.graphs->run(others), expected = plan.run_chunk(others);
    for (size_t i = 0; i < found.size(); ++i)
      works = works && relative_difference(found[i], expected[i]) <= usual_tolerance(plan.precision);
  }
  if (!works) plan.graphs = nullptr;
}

/// Noise of growing contrast, so that the samples' outputs differ.
Tensor default_samples(const Shape& shape) {
  Ints sizes, column(shape.size(), 1);
  for (const Dim& dim : shape) sizes.push_back(dim.at(kDefaultSamples));
  column[0] = kDefaultSamples;
  at::Generator generator = at::detail::createCPUGenerator(kSeed);
  return at::randn(sizes, generator) * at::linspace(0.25, 2, kDefaultSamples).reshape(column);
}

}  // namespace

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

Plan::Attempt Plan::make(const Graph& graph, const std::string& input, const std::string& output,
                         const PlanOptions& options) {
  return make(graph, input, std::vector<std::string>{output}, options);
}

Plan::Attempt Plan::make(const Graph& graph, const std::string& input, const std::vector<std::string>& outputs,
                         const PlanOptions& options) {
  at::NoGradGuard no_grad;
  if (options.batch < 1 || options.chunk < 0 || options.gradient_chunk < 0)
    throw UsageError("a plan was asked for with batch " + std::to_string(options.batch) + ", chunk " +
                     std::to_string(options.chunk) + " and gradient chunk " + std::to_string(options.gradient_chunk) +
                     "; expected a batch of at least 1 and chunks of at least 0.");
  const Graph::Impl& inside = graph.impl();
  const int from = inside.find(input);  // unknown names are the caller's mistake
  std::vector<int> to;
  for (const std::string& output : outputs) to.push_back(inside.find(output));
  if (to.empty()) throw UsageError("a plan was asked for without an output; expected the name of a value.");
  auto impl = std::make_shared<Impl>(graph);
  impl->precision = parse_precision(options.precision);
  impl->input_shape = inside.values[from].traced.shape;
  impl->input_type = inside.values[from].traced.type;
  read_decisions(*impl, options.incremental);
  try {
    check_possible(inside, from, to, impl->precision);
    const Tensor given = options.samples.defined() ? options.samples : default_samples(impl->input_shape);
    const Tensor samples = given.to(impl->input_type);
    const int64_t pass = std::min(options.batch, kSamplesAPass);
    const Tensors expected =
        in_passes(samples, pass, [&](const Tensor& x) { return graph.run({{input, x}}, outputs); });
    const bool on_cpu = inside.device.is_cpu();
    impl->device = inside.device;
    impl->direct = on_cpu && options.direct && onednn::is_linked();
    bind_steps(*impl, inside, fuse(inside, from, to, impl->direct || !on_cpu), from, to,
               {.precision = impl->precision,
                .direct = impl->direct,
                .gradients = options.gradients && impl->direct && impl->precision == at::kFloat,
                .batch = pass,
                .small_layer = options.small_layer});
    const double tolerance = options.tolerance > 0 ? options.tolerance : usual_tolerance(impl->precision);
    const Tensors found = in_passes(samples, pass, [&](const Tensor& x) { return impl->run(x, {pass}); });
    for (size_t i = 0; i < to.size(); ++i) compare(*impl, found[i], expected[i], tolerance);
    for (int64_t most = options.gradients ? std::min(kGradientSamples, samples.size(0)) : 0; most > 0; most /= 2) {
      try {
        add_gradients(*impl, graph, input, outputs, samples.narrow(0, 0, most), options.gradient_chunk);
        break;
      } catch (const OutOfMemoryError&) {  // the way back holds every value
        if (most == 1) throw;
        release_kept_memory();
      }
    }
    if (options.graphs) use_graphs(*impl);
    const int64_t most_timed = std::min(options.batch, on_cpu ? kMostTimed : kMostTimedOnDevice);
    impl->split = options.chunk > 0 ? Split{options.chunk, on_cpu && options.side_by_side}
                                    : fastest_split(*impl, repeat_to(samples, most_timed).to(impl->device));
    const int64_t chunk = impl->split.chunk, most = std::min(chunk, options.batch);
    const Tensor full = repeat_to(samples, passes_of(most, chunk, impl->device)[0].size);
    measure(*impl, full);
    if (impl->graphs) record_graph(*impl, full);
  } catch (const Refusal& refusal) {
    return {nullptr, refusal.why};
  } catch (const OutOfMemoryError&) {
    throw;
  } catch (const InternalError&) {
    throw;
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw OutOfMemoryError("a plan needs more memory than there is");
    return {nullptr, error.what_without_backtrace()};
  } catch (const std::exception& error) {  // also oneDNN's own
    return {nullptr, error.what()};
  }
  return {std::shared_ptr<const Plan>(new Plan(std::move(impl))), ""};
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
std::string Plan::precision() const { return name_of(impl_->precision); }
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
                                               {"difference", number(difference())}};
  if (!on_cpu) record["graphs"] = impl_->graphs ? "yes" : "no";
  if (!impl_->incremental) record["incremental"] = "none";
  if (has_gradients()) {
    record["gradients"] = "plan";
    record["gradient_chunk"] = std::to_string(gradient_chunk());
    record["gradient_difference"] = number(gradient_difference());
  }
  if (!why_no_gradients().empty()) record["gradients"] = "graph";
  return record;
}

std::shared_ptr<const Plan::Impl> Plan::impl() const { return impl_; }

}  // namespace vitrail
