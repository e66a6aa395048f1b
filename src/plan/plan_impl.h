#pragma once

// What a plan holds: the steps, bound to numbered values ("slots").

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plan/cuda_graph.h"
#include "plan/step.h"
#include "vitrail/plan.h"

namespace vitrail {

/// How a batch is cut: samples a pass, and whether passes run side by side, each on one thread.
struct Split {
  int64_t chunk = 1;
  bool side_by_side = false;
};

struct Plan::Impl {
  static constexpr int kAbsent = Graph::Impl::kAbsent;

  struct Bound {
    std::unique_ptr<Step> step;
    const Graph::Impl::Node* node;
    std::vector<int> inputs;    ///< slots; kAbsent where there is none
    std::vector<char> is_last;  ///< one an input: nobody needs it afterwards
    std::vector<int> outputs;   ///< slots; kAbsent where nobody needs it
  };

  explicit Impl(const Graph& graph) : graph(graph) {}

  Graph graph;  ///< keeps the nodes alive
  std::vector<Bound> bound;
  Tensors constants;        ///< by slot; undefined for what is computed
  std::vector<int> values;  ///< by slot: the graph's number of the value
  int input = 0;
  std::vector<int> outputs;
  at::ScalarType precision = at::kFloat, input_type = at::kFloat;
  bool direct = false;
  c10::Device device = c10::Device(c10::kCPU);
  std::unique_ptr<cuda::GraphRuns> graphs;  ///< of run_chunk(), on a CUDA device; null: its kernels one by one
  Shape input_shape;

  std::vector<PlanStep> steps;
  Split split;
  double difference = 0, gradient_difference = 0;
  bool has_gradients = false;
  int64_t gradient_chunk = 0;
  std::string why_no_gradients;
  double seconds = 0;  ///< of a sample by the split, as it was timed; 0 where the split was given
  int64_t bytes_per_sample = 0;

  void check_input(const Tensor& x) const;

  /// Sees every step when it has run: its number, what it gave, and all that is alive beside it.
  using Watch = std::function<void(size_t step, const Tensors& out, const Tensors& in, const Tensors& slots)>;

  Tensors run_steps(const Tensor& x, const Watch& watch = {}) const;
  /// The same without gradients.
  Tensors run_chunk(const Tensor& x, const Watch& watch = {}) const;
  Tensors run(const Tensor& x, const Split& split) const;
  Tensor prepared(const Tensor& x) const;  ///< as the first step wants it: where, in what precision and order
  void wait_for_device() const;

  bool incremental = true;  ///< local runs are allowed (vitrail/plan.h)
  /// What was found of local runs, by the size of what changes: samples a pass, 0 where they do not pay.
  mutable std::mutex decisions_mutex;
  mutable std::map<std::pair<int64_t, int64_t>, int64_t> decisions;
};

std::string precision_name(at::ScalarType precision);  ///< "float32", "bf16", "fp16"
std::string two_digits(double value);                  ///< "0.00012", for records and messages

/// One row a sample: the batch in front, and in no other axis.
bool is_by_sample(const Shape& shape);

}  // namespace vitrail
