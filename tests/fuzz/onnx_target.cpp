// ONNX models: read, lifted, traced, canonicalised and, where they load, run with gradients. Inputs are changed as
// messages, field by field, so that most still parse and the damage lies in what they mean.

#include <ATen/ops/ones.h>

#include "fuzz/hostile.h"
#include "fuzz/model_mutator.h"
#include "guarded_tensors.h"
#include "vitrail/graph.h"

namespace {

using namespace vitrail;

/// Runs all outputs, and their gradients with respect to all inputs.
void run(const Graph& graph, int64_t batch) {
  Feeds feeds;
  for (const ValueInfo& input : graph.inputs()) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : input.shape) sizes.push_back(dim.at(batch));
    if (!graph.batch().generalises && !sizes.empty()) sizes[0] *= batch;
    try {
      feeds.emplace_back(input.name, at::ones(sizes).requires_grad_());
    } catch (const c10::Error&) {  // more than this process may have: nothing that the library was asked
      return;
    }
  }
  std::vector<std::string> fetches;
  for (const ValueInfo& output : graph.outputs()) fetches.push_back(output.name);
  Tensors inputs;
  for (const auto& [name, tensor] : feeds) inputs.push_back(tensor);
  gradient(graph.run(feeds, fetches), inputs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path path = testing::own_folder() / "model.onnx";
  static const bool guarded = (testing::GuardedTensors::use(), true);
  (void)guarded;
  testing::write_file(path, {reinterpret_cast<const char*>(data), size});
  testing::taken_or_refused([] {
    const Graph graph = Graph::load(path, {.default_input_size = {8, 8}});
    graph.nodes(), graph.layers(), graph.values();
    for (const ValueInfo& input : graph.inputs())
      for (const ValueInfo& output : graph.outputs()) graph.non_differentiable(input.name, output.name);
    for (int64_t batch : {1, 2}) run(graph, batch);
  });
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return testing::mutate_model(data, size, max_size, seed);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data, size_t size, const uint8_t* other, size_t other_size,
                                            uint8_t* out, size_t max_out_size, unsigned seed) {
  return testing::cross_models({data, size}, {other, other_size}, {out, max_out_size}, seed);
}
