#pragma once

// Runs on a CUDA device as CUDA graphs: the kernels that a run launches are recorded once for each number of samples,
// and from then on launched as a whole. One by one a kernel takes some 5 us to launch, which is more than many a layer
// takes to compute.
//
// Only where vitrail was built with a CUDA libtorch and the headers of CUDA's runtime; elsewhere plans launch kernels
// one by one.

#include <c10/core/Device.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace vitrail::cuda {

/// True where vitrail was built with CUDA graphs.
bool has_graphs();

/// A function of one tensor as graphs. May be called from several threads at once: they run one after another.
class GraphRuns {
 public:
  using Function = std::function<Tensors(const Tensor&)>;

  /// `function` launches the same kernels for all values of a tensor of the same size, on the current stream, and keeps
  /// its input as it is.
  GraphRuns(const c10::Device& device, Function function);
  ~GraphRuns();

  /// function(x). The second time that a size comes it is recorded; the first time it is run as it is, which also lets
  /// the libraries below choose and load their kernels.
  Tensors run(const Tensor& x);

  /// Sizes recorded so far.
  int64_t recorded() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrail::cuda
