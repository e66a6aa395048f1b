#pragma once

// A network as a graph of ONNX operators and named values: what every explanation interprets.
//
// Loading reads the file, lifts every operator to one schema, folds constants, fixes every shape up
// to a symbolic batch (files exported with batch 1 run at any batch) and recognises layer patterns.
// The primitive is `run(feeds, fetches)`: feed tensors at any values, fetch any values, so a prefix,
// a suffix or a middle of the network runs by naming its ends.
//
//   auto graph = vitrail::Graph::load("model.onnx");
//   auto logits = graph.run({{"input", x}}, {"logits"})[0];
//   auto head = graph.run({{graph.resolve("layer4.1"), activation}}, {"logits"})[0];   // suffix only
//
// Gradients of any order are autograd's: feed a tensor that requires a gradient, fetch, and call
// `gradient`. A Graph is immutable after load and may be run from several threads at once; copies
// share everything.

#include <vitrail/backward_rule.h>
#include <vitrail/tensor.h>

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vitrail {

/// A dimension that may grow with the batch: per_batch * N + fixed.
struct Dim {
  int64_t fixed = 0;
  int64_t per_batch = 0;
  bool operator==(const Dim&) const = default;
  int64_t at(int64_t batch) const { return per_batch * batch + fixed; }
};
using Shape = std::vector<Dim>;

/// "[N,3,224,224]", "[64*N,49,96]".
std::string to_string(const Shape& shape);

struct ValueInfo {
  std::string name;
  std::string type;  ///< "float32", "int64", ...
  Shape shape;
};

struct NodeInfo {
  std::string op;          ///< "Conv"
  std::string name;        ///< of the node in the file
  std::string attributes;  ///< typed members, for people
  std::vector<std::string> inputs, outputs;
};

/// A named place in the network: the framework's module name and the value it produces.
struct LayerInfo {
  std::string name;   ///< "layer4.1.conv2" where the exporter left a trace, else the value's name
  std::string value;  ///< the ONNX value
  Shape shape;
  std::string op;
  /// Of its positions, where a Probe proposes it: numbers a position, rows and columns.
  int64_t channels = 0, height = 0, width = 0;
};

struct LoadOptions {
  std::string device = "cpu";            ///< "cpu", "cuda", "cuda:1"; on CUDA, TF32 is off for the whole process
  bool double_precision = false;         ///< float64 parameters and arithmetic, for checks
  bool canonical = true;                 ///< false: no pattern rewrites, for exact comparison with an oracle
  std::vector<int64_t> input_size = {};  ///< {height, width} asked for; refused where the file fixes another size
  std::vector<int64_t> default_input_size = {};  ///< {height, width} for sizes that the file leaves open
  int64_t fold_limit_mb = 256;                   ///< constants larger than this are not folded unless they replace more
};

/// What a run may change besides its feeds.
struct RunOptions {
  BackwardRule backward_rule = BackwardRule::plain;
};

using Feeds = std::vector<std::pair<std::string, Tensor>>;

/// How a graph runs several samples at once.
struct BatchSupport {
  bool generalises = true;  ///< false: run() loops over samples
  std::string reason;       ///< why not, or what was changed
};

class Graph {
 public:
  static Graph load(const std::filesystem::path& path, const LoadOptions& options = {});

  /// Feeds at any values, fetches any values (names of values or of layers). Values that are neither fed nor
  /// constant are computed as needed; a missing feed, an unknown name or a wrong shape is a UsageError
  /// that says which. The batch is the one of the feeds. Memory of a value is released after its last use.
  Tensors run(const Feeds& feeds, const std::vector<std::string>& fetches, const RunOptions& options = {}) const;

  const std::vector<ValueInfo>& inputs() const;
  const std::vector<ValueInfo>& outputs() const;

  /// Every computed value of the canonical graph, in order of computation.
  std::vector<ValueInfo> values() const;
  std::vector<NodeInfo> nodes() const;
  ValueInfo value(const std::string& name) const;

  /// Layers in order of computation; `resolve` turns a layer or value name into a value name, or
  /// throws UsageError with the nearest names.
  const std::vector<LayerInfo>& layers() const;
  std::string resolve(const std::string& layer_or_value) const;

  /// Of the main output: the value before a trailing Softmax (or Sigmoid), named "logits", or the output itself.
  bool has_value(const std::string& name) const;

  const BatchSupport& batch() const;
  const std::map<std::string, std::string>& metadata() const;
  const std::string& sha256() const;  ///< of the ONNX file
  const std::string& path() const;
  c10::Device device() const;

  /// Nodes whose gradient is zero almost everywhere, on a path from `from` to `to` ("Sign node 'sign_3'").
  std::vector<std::string> non_differentiable(const std::string& from, const std::string& to) const;

  /// Values that depend on the input but not on `from`, and that the nodes between `from` and `to` take in: what runs
  /// past it. With all of them fed beside `from`, run() computes only what depends on `from`. `to` itself where it does
  /// not.
  std::vector<std::string> beside(const std::string& from, const std::string& to) const;

  /// What loading did and found: rewrites, folded nodes, built-in preprocessing. For `inspect`.
  const std::vector<std::string>& notes() const;

  /// The constant with this name (a weight, a bias); UsageError for a value that is computed.
  Tensor constant(const std::string& name) const;

  /// The same network with other values of constants, which keep their shapes and types. What loading folded stays
  /// folded. UsageErrors for values that are computed and for other shapes.
  Graph with_constants(const std::map<std::string, Tensor>& constants) const;

  struct Impl;
  const Impl& impl() const { return *impl_; }  ///< for what is built on graphs inside the library

 private:
  explicit Graph(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// d(sum of outputs weighted by `output_gradients`)/d(inputs). `create_graph` keeps the result differentiable
/// (second order). An input that no output depends on gets zeros.
Tensors gradient(const Tensors& outputs, const Tensors& inputs, const Tensors& output_gradients = {},
                 bool create_graph = false, bool retain_graph = false);

}  // namespace vitrail
