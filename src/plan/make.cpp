// Making a plan: fuse, bind, compare with the graph, differentiate, time chunks.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <sstream>

#include "ops/failure.h"
#include "plan/bind.h"
#include "plan/cuda_graph.h"
#include "plan/direct.h"
#include "plan/passes.h"
#include "plan/plan_impl.h"
#include "plan/timing.h"
#include "vitrail/error.h"
#include "vitrail/memory.h"
#include "vitrail/plan.h"

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

at::ScalarType parse_precision(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  throw UsageError("unknown precision '" + name + "'; expected float32, bf16 or fp16.");
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
    throw Refusal{"it differs from the graph by " + two_digits(difference) +
                  " of the largest value (allowed: " + two_digits(tolerance) + ")"};
  if (plan.precision == at::kFloat || found.size(0) < 2) return;
  const double agreement = rank_agreement(found, expected);
  if (!(agreement >= kRankAgreement))
    throw Refusal{"in " + precision_name(plan.precision) + " the samples change their order (rank correlation " +
                  two_digits(agreement) + ", asked for " + two_digits(kRankAgreement) + ")"};
}

/// The samples, again and again, up to a number.
Tensor repeat_to(const Tensor& samples, int64_t count) {
  Tensors parts;
  for (int64_t left = count; left > 0; left -= samples.size(0))
    parts.push_back(samples.narrow(0, 0, std::min(left, samples.size(0))));
  return at::cat(parts);
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

/// Finds how many samples are best differentiated at a time, and compares the plan's gradients, so taken, with the
/// graph's.
void add_gradients(Plan::Impl& plan, const Graph& graph, const std::string& input,
                   const std::vector<std::string>& outputs, const Tensor& x, int64_t chunk) {
  if (plan.precision != at::kFloat) plan.why_no_gradients = "the plan computes in " + precision_name(plan.precision);
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
  const std::vector<int64_t> chunks = chunk > 0 ? std::vector<int64_t>{chunk} : possible_chunks(plan, x.size(0));
  const int64_t best = chunks[find_fastest(chunks.size(), [&](size_t i) { in_chunks(chunks[i], by_plan); }).candidate];
  const Tensor found = in_chunks(best, by_plan);  // rounding may depend on it
  const Tensor expected =
      in_chunks(kGradientSamples, [&](const Tensor& leaf) { return graph.run({{input, leaf}}, outputs); });
  plan.gradient_difference =
      ((found - expected).norm(2, 1) / expected.norm(2, 1).clamp_min(1e-30)).max().item<double>();
  plan.has_gradients = plan.gradient_difference <= kGradientTolerance;
  if (plan.has_gradients)
    plan.gradient_chunk = best;
  else
    plan.why_no_gradients = "they differ from the graph's by " + two_digits(plan.gradient_difference) +
                            " of their size (allowed: " + two_digits(kGradientTolerance) + ")";
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

}  // namespace vitrail
