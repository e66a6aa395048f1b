#include "onnx/reader.h"

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <queue>
#include <set>
#include <unordered_map>

#include "base/sha256.h"
#include "onnx/adapters.h"
#include "onnx/functions.h"
#include "onnx/scopes.h"
#include "onnx/tensors.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

template <typename Proto>
void parse(std::span<const std::byte> bytes, const std::string& name, int max_depth, Proto& proto) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetRecursionLimit(max_depth);
  if (!proto.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    throw ModelError(
        name + " is not a valid ONNX file (" + std::to_string(bytes.size()) +
        " bytes): truncated, damaged, nested too deeply, or of another format. Export or download it again.");
}

/// One model while it is read.
class Reader {
 public:
  Reader(const onnx::ModelProto& proto, std::string name, std::optional<fs::path> folder, const ReadLimits& limits)
      : proto_(proto), name_(std::move(name)), limits_(limits), tensors_(std::move(folder), limits) {}

  OnnxModel read() {
    read_header();
    GraphBody body = read_graph(proto_.graph(), nullptr);
    for (const auto& input : proto_.graph().input())
      if (!body.initializers.count(input.name())) model_.inputs.push_back(read_value(input, "input"));
    for (const auto& output : proto_.graph().output()) {
      const bool typed = output.type().value_case() != onnx::TypeProto::VALUE_NOT_SET;
      model_.outputs.push_back(typed ? read_value(output, "output") : OnnxValue{output.name(), at::kFloat, false, {}});
    }
    model_.nodes = std::move(body.nodes);
    model_.initializers = std::move(body.initializers);
    return std::move(model_);
  }

 private:
  void read_header() {
    if (!proto_.has_graph()) throw ModelError(name_ + " holds no graph: it is not an ONNX model.");
    if (proto_.graph().output_size() == 0) throw ModelError(name_ + " has no outputs: it is no model.");
    model_.path = name_;
    model_.ir_version = proto_.ir_version();
    model_.producer =
        proto_.producer_name() + (proto_.producer_version().empty() ? "" : " " + proto_.producer_version());
    for (const auto& opset : proto_.opset_import()) model_.opsets[domain_of(opset.domain())] = opset.version();
    if (!model_.opsets.count("")) throw ModelError(name_ + " does not say its opset (opset_import is empty).");
    for (const auto& entry : proto_.metadata_props()) model_.metadata[entry.key()] = entry.value();
  }

  void check_count(int64_t count, int64_t limit, const char* what) const {
    if (count > limit)
      throw ModelError(name_ + " has " + std::to_string(count) + " " + what + "; the limit is " +
                       std::to_string(limit) + ".");
  }

  /// A graph while it is read: what it holds, and the names that it defines.
  struct Scope {
    GraphBody body;
    std::set<std::string> defined;
  };

  void define(Scope& scope, const std::string& value) {
    if (value.empty()) throw ModelError(name_ + " has a value without a name.");
    if (!scope.defined.insert(value).second)
      throw ModelError("the value '" + value + "' of " + name_ + " is defined twice.");
  }

  /// The graph of the model, or a subgraph. `captures` takes the names that a subgraph uses of the graphs around it.
  GraphBody read_graph(const onnx::GraphProto& graph, Strings* captures) {
    Scope scope;
    tensors_read_ += graph.initializer_size();
    check_count(tensors_read_, limits_.max_tensors, "initializers");
    check_count(nodes_read_ + graph.node_size(), limits_.max_nodes, "nodes");  // before any is read
    if (graph.sparse_initializer_size() > 0)
      throw ModelError(name_ + " has sparse initializers; export it with dense ones.");
    for (const auto& tensor : graph.initializer()) {
      define(scope, tensor.name());
      scope.body.initializers[tensor.name()] = tensors_.read(tensor, tensor.name());
    }
    for (const auto& input : graph.input()) {
      if (scope.body.initializers.count(input.name())) continue;
      define(scope, input.name());
      scope.body.inputs.push_back(input.name());
    }
    for (const auto& node : graph.node()) read_node(node, scope);
    sort_nodes(scope, captures);
    for (const auto& output : graph.output()) {
      scope.body.outputs.push_back(output.name());
      if (scope.defined.count(output.name())) continue;
      if (!captures)
        throw ModelError("the output '" + output.name() + "' of " + name_ + " is not computed by any node.");
      captures->push_back(output.name());
    }
    return std::move(scope.body);
  }

  OnnxValue read_value(const onnx::ValueInfoProto& proto, const char* what) const {
    const std::string title = std::string(what) + " '" + proto.name() + "' of " + name_;
    if (!proto.type().has_tensor_type())
      throw ModelError(title + " is not a tensor (a sequence, map or optional); such models are not supported.");
    const auto& type = proto.type().tensor_type();
    OnnxValue value{proto.name(), scalar_type_of(type.elem_type(), title), type.has_shape(), {}};
    for (const auto& dim : type.shape().dim())
      value.shape.push_back({dim.has_dim_value() && dim.dim_value() > 0 ? dim.dim_value() : -1, dim.dim_param()});
    return value;
  }

  void read_node(const onnx::NodeProto& proto, Scope& scope) {
    check_count(++nodes_read_, limits_.max_nodes, "nodes");
    if (proto.op_type() == "Constant" && domain_of(proto.domain()).empty() && proto.output_size() == 1) {
      define(scope, proto.output(0));
      scope.body.initializers[proto.output(0)] = read_constant(proto);
      return;
    }
    NodeSpec node;
    node.op_type = proto.op_type();
    node.domain = domain_of(proto.domain());
    node.name = proto.name();
    node.scope = scope_of(proto);
    node.inputs.assign(proto.input().begin(), proto.input().end());
    node.outputs.assign(proto.output().begin(), proto.output().end());
    auto opset = model_.opsets.find(node.domain);
    node.opset = opset == model_.opsets.end() ? 0 : opset->second;
    if (node.outputs.empty()) throw ModelError("the " + node.op_type + " node '" + node.name + "' has no outputs.");
    for (const std::string& output : node.outputs)
      if (!output.empty()) define(scope, output);
    for (const auto& attribute : proto.attribute())
      node.attributes.set(attribute.name(), read_attribute(attribute, node));
    scope.body.nodes.push_back(std::move(node));
  }

  Tensor read_constant(const onnx::NodeProto& proto) {
    if (proto.attribute_size() != 1)
      throw ModelError("the Constant node '" + proto.name() + "' has " + std::to_string(proto.attribute_size()) +
                       " attributes; expected one value.");
    const auto& a = proto.attribute(0);
    if (a.name() == "value") return tensors_.read(a.t(), proto.output(0));
    if (a.name() == "value_float") return at::scalar_tensor(a.f(), at::kFloat);
    if (a.name() == "value_int") return at::scalar_tensor(static_cast<int64_t>(a.i()), at::kLong);
    if (a.name() == "value_floats")
      return at::tensor(std::vector<float>(a.floats().begin(), a.floats().end()), at::kFloat);
    if (a.name() == "value_ints") return at::tensor(std::vector<int64_t>(a.ints().begin(), a.ints().end()), at::kLong);
    throw ModelError("the Constant node '" + proto.name() + "' holds a " + a.name() +
                     "; expected a tensor or numbers.");
  }

  AttributeValue read_attribute(const onnx::AttributeProto& proto, NodeSpec& node) {
    switch (proto.type()) {
      case onnx::AttributeProto::INT:
        return static_cast<int64_t>(proto.i());
      case onnx::AttributeProto::FLOAT:
        return static_cast<double>(proto.f());
      case onnx::AttributeProto::STRING:
        return proto.s();
      case onnx::AttributeProto::INTS:
        return Ints(proto.ints().begin(), proto.ints().end());
      case onnx::AttributeProto::FLOATS:
        return Floats(proto.floats().begin(), proto.floats().end());
      case onnx::AttributeProto::STRINGS:
        return Strings(proto.strings().begin(), proto.strings().end());
      case onnx::AttributeProto::TENSOR:
        return tensors_.read(proto.t(), node.name + "." + proto.name());
      case onnx::AttributeProto::GRAPH:
        return Subgraph{proto.g().name(), std::make_shared<const GraphBody>(read_graph(proto.g(), &node.captures))};
      default:
        throw ModelError("the attribute '" + proto.name() + "' of the " + node.op_type + " node '" + node.name +
                         "' has a type that is not supported (" +
                         onnx::AttributeProto::AttributeType_Name(proto.type()) + ").");
    }
  }

  /// Topological order; the file's own order where it already is one.
  void sort_nodes(Scope& scope, Strings* captures) const {
    std::vector<NodeSpec>& nodes = scope.body.nodes;
    std::unordered_map<std::string, size_t> producer;
    for (size_t n = 0; n < nodes.size(); ++n)
      for (const std::string& output : nodes[n].outputs)
        if (!output.empty()) producer[output] = n;
    std::vector<int> waiting(nodes.size(), 0);
    std::vector<std::vector<size_t>> users(nodes.size());
    for (size_t n = 0; n < nodes.size(); ++n) {
      for (const std::string& input : used_by(nodes[n])) {
        if (!scope.defined.count(input)) {
          if (!captures)
            throw ModelError("the " + title(nodes[n]) + " of " + name_ + " uses the value '" + input +
                             "', which no node, input or initializer defines. Export it again.");
          captures->push_back(input);
          continue;
        }
        auto it = producer.find(input);
        if (it == producer.end()) continue;
        ++waiting[n];
        users[it->second].push_back(n);
      }
    }
    std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
    for (size_t n = 0; n < waiting.size(); ++n)
      if (waiting[n] == 0) ready.push(n);
    std::vector<NodeSpec> sorted;
    while (!ready.empty()) {
      const size_t n = ready.top();
      ready.pop();
      for (size_t user : users[n])
        if (--waiting[user] == 0) ready.push(user);
      sorted.push_back(std::move(nodes[n]));
    }
    if (sorted.size() != waiting.size()) refuse_cycle(nodes, waiting, producer);
    nodes = std::move(sorted);
  }

  /// Its inputs, and what its subgraphs take from around it.
  static Strings used_by(const NodeSpec& node) {
    Strings names = node.captures;
    for (const std::string& input : node.inputs)
      if (!input.empty()) names.push_back(input);
    return names;
  }

  /// Every node left waits for another node left: going back from any of them ends in a cycle.
  [[noreturn]] void refuse_cycle(const std::vector<NodeSpec>& nodes, const std::vector<int>& waiting,
                                 const std::unordered_map<std::string, size_t>& producer) const {
    size_t n = std::find_if(waiting.begin(), waiting.end(), [](int count) { return count > 0; }) - waiting.begin();
    std::vector<size_t> path;
    std::vector<char> seen(nodes.size(), 0);
    while (!seen[n]) {
      seen[n] = 1;
      path.push_back(n);
      for (const std::string& input : used_by(nodes[n])) {
        auto it = producer.find(input);
        if (it == producer.end() || waiting[it->second] == 0) continue;
        n = it->second;
        break;
      }
    }
    std::string list;
    for (auto it = std::find(path.begin(), path.end(), n); it != path.end() && list.size() < 300; ++it)
      list += (list.empty() ? "" : " <- ") + title(nodes[*it]);
    throw ModelError("the graph of " + name_ + " has a cycle: " + list +
                     ". A model must compute its values in some order: export it again.");
  }

  /// "Conv node 'name'"; where the file gives no name, the first output stands for it.
  static std::string title(const NodeSpec& node) {
    return node.op_type + " node '" + (node.name.empty() ? node.outputs[0] : node.name) + "'";
  }

  const onnx::ModelProto& proto_;
  std::string name_;
  ReadLimits limits_;
  TensorReader tensors_;
  int64_t nodes_read_ = 0, tensors_read_ = 0;
  OnnxModel model_;
};

/// protobuf counts bytes in an int.
void check_size(int64_t size, const std::string& name, const ReadLimits& limits) {
  const int64_t most = std::min<int64_t>(limits.max_file_bytes, std::numeric_limits<int>::max());
  if (size >= most)
    throw ModelError(name + " has " + std::to_string(size) + " bytes; expected less than " + std::to_string(most) +
                     ". Export it with external data.");
}

OnnxModel read(std::span<const std::byte> bytes, const std::string& name, std::optional<fs::path> folder,
               const ReadLimits& limits) {
  if (bytes.empty()) throw ModelError(name + " is empty; expected an ONNX model.");
  check_size(static_cast<int64_t>(bytes.size()), name, limits);
  onnx::ModelProto proto;
  parse(bytes, name, limits.max_depth, proto);
  inline_functions(proto, limits.max_nodes);
  OnnxModel model = Reader(proto, name, std::move(folder), limits).read();
  model.sha256 = sha256_hex(bytes);
  lift_opsets(model);
  return model;
}

}  // namespace

OnnxModel read_onnx(const fs::path& path, const ReadLimits& limits) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    throw ModelError("there is no file " + path.string() + "; expected an ONNX model.");
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw ModelError(path.string() + " is not a file; expected an ONNX model.");
  const auto size = error ? 0 : static_cast<int64_t>(fs::file_size(path, error));
  check_size(size, path.string(), limits);
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes(error ? 0 : size);
  if (error || !file.read(reinterpret_cast<char*>(bytes.data()), size))
    throw MachineError(path.string() + " cannot be read. Check its permissions and the disk.");
  return read(bytes, path.string(), path.parent_path(), limits);
}

OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& name, const ReadLimits& limits) {
  return read(bytes, name, std::nullopt, limits);
}

Tensor read_onnx_tensor(std::span<const std::byte> bytes, const std::string& name) {
  onnx::TensorProto proto;
  parse(bytes, name, ReadLimits{}.max_depth, proto);
  return TensorReader(std::nullopt, ReadLimits{}).read(proto, name);
}

}  // namespace vitrail
