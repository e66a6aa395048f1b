#pragma once

// A plan: how one stretch of a graph, from an input to its outputs, is best computed on this machine: scores, and their
// gradients by the input.
//
// What a plan does differently from Graph::run, while it computes the same function:
//
//   - scales and shifts (BatchNormalization, layer scale) are folded into the weights before them, in double precision;
//   - a convolution or linear layer, the activation behind it and the sum with a residual branch are one call of
//   oneDNN;
//   - tensors are channels-last, weights are packed once for the processor, values are overwritten where nobody else
//     holds them, attention never writes its weights down;
//   - a batch is cut into chunks of the size that was fastest when the plan was made (on a CPU small ones often are),
//   one
//     after the other on all threads, or one on each thread.
//
// Of a graph on a CUDA device the plan is for that device: the same folding, layers by cuDNN and cuBLAS with a ReLU in
// the same kernel where they have one, and each chunk one CUDA graph (where vitrail was built with them, and where no
// operator waits for the device).
//
// It is compared with Graph::run when it is made, and refused where it differs. Where gradients are asked for, on the
// CPU, the way back through a layer is a call of oneDNN too, which costs about as much as the layer; they are once
// differentiable, and compared with the graph's. A plan is immutable and may be run from several threads at once. The
// output depends on the chunk only by rounding; the same plan gives the same bytes.

#include <vitrail/graph.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vitrail {

struct PlanOptions {
  /// "float32", on CUDA devices too (without TF32); "bf16", half the bytes, where the processor or device computes in
  /// it; or "fp16", as many bytes and eight times as exact, on CUDA devices only.
  std::string precision = "float32";
  int64_t batch = 8;  ///< samples that runs will bring at a time
  /// Samples a pass; 0: the fastest by timing, of 1, 2, 4, 8 and the batch (up to 64), on CUDA devices of 8, 16, 32 and
  /// so on up to the batch (up to 512).
  int64_t chunk = 0;
  bool side_by_side = false;   ///< a chunk on each thread of the CPU; chosen by timing where `chunk` is 0
  bool gradients = false;      ///< run_recorded() is to be possible; it is in float32, by oneDNN itself
  int64_t gradient_chunk = 0;  ///< samples to differentiate at a time; 0: the fastest of 1, 2, 4 and 8, by timing
  bool direct = true;  ///< layers by oneDNN itself, where vitrail was built with it; else by libtorch's operators
  bool graphs = true;  ///< CUDA graphs, where they can be; else kernels one by one
  /// Multiply-adds below which a layer is left to ATen's own kernels where libtorch's operators would have to prepare a
  /// call of oneDNN, which takes about 15 us.
  int64_t small_layer = 1'000'000;
  /// Refused where max |plan - graph| / max |graph| over the samples is more: as a default 1e-4 in float32 and 1.5e-2
  /// in bf16 and fp16, where also the samples must keep their order (rank correlation >= .95).
  double tolerance = 0;
  /// Runs of samples that differ from a known one in a rectangle (Scorer::local) compute again only what that touches:
  /// "auto", where it pays by timing when a size first comes; "none", never; or what a result recorded, "32x32:8
  /// 96x96:0": sizes in pixels with the samples a pass, 0 for those that did not pay.
  std::string incremental = "auto";
  /// What the plan is compared and timed on, in the shape of the graph's input; undefined: sixteen of noise.
  Tensor samples = {};
};

/// One computation of a plan.
struct PlanStep {
  std::string op;       ///< "Conv + Relu", "MatMul + Gelu", "Softmax"
  std::string node;     ///< name of the last node in it
  std::string details;  ///< how it is computed, for people
  std::vector<std::string> inputs;
  std::string output;  ///< the value, as the graph names it
  int64_t bytes = 0;   ///< of the outputs, for one sample
  double seconds = 0;  ///< of one sample, measured at the chosen chunk
};

class Plan {
 public:
  struct Attempt;

  /// Makes a plan from the graph's value `input` (it may be an inner one) to `output`, or to several at once.
  static Attempt make(const Graph& graph, const std::string& input, const std::string& output,
                      const PlanOptions& options = {});
  static Attempt make(const Graph& graph, const std::string& input, const std::vector<std::string>& outputs,
                      const PlanOptions& options = {});

  /// The value of the (first) output, float32, without gradients, on the graph's device. `input` as Graph::run takes
  /// it, of any batch.
  Tensor run(const Tensor& input) const;

  /// The values of all outputs, in the order in which they were asked for.
  Tensors run_all(const Tensor& input) const;

  /// Whether run_recorded() is possible; where it was asked for and is not, why.
  bool has_gradients() const;
  const std::string& why_no_gradients() const;

  /// The values of all outputs, with the graph of autograd to `input`, which must require a gradient: in one pass, so
  /// that what the way back needs of all samples is in memory at once. Once differentiable. At the ends of an
  /// activation's pieces (0 of a ReLU) the gradient is 0.
  Tensors run_recorded(const Tensor& input) const;

  /// Samples that run_recorded() is best given at a time; 0 where it is not possible.
  int64_t gradient_chunk() const;

  const std::vector<PlanStep>& steps() const;
  int64_t chunk() const;
  bool side_by_side() const;
  std::string precision() const;
  double difference() const;           ///< max |plan - graph| / max |graph| when it was made
  double gradient_difference() const;  ///< the largest |plan - graph| / |graph| (2-norms) of a sample's gradient
  int64_t bytes_per_sample() const;    ///< of all values alive at once at the worst step, for one sample
  int64_t bytes_of_weights() const;    ///< packed and folded ones
  double seconds_per_sample() const;   ///< the sum of its steps', when it was made

  /// What makes a run repeatable: precision, chunk; and the difference, for the record.
  std::map<std::string, std::string> record() const;

  struct Impl;
  std::shared_ptr<const Impl> impl() const;  ///< for what is built on plans inside the library

 private:
  explicit Plan(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// A plan, or why there is none.
struct Plan::Attempt {
  std::shared_ptr<const Plan> plan;
  std::string refusal;
};

}  // namespace vitrail
