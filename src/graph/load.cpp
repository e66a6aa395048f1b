// From a file to a frozen graph: read, check, bind sizes, trace, canonicalise, compile.

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>

#include "graph/graph_impl.h"
#include "onnx/reader.h"
#include "ops/arguments.h"
#include "ops/failure.h"
#include "ops/registry.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Of float32, libtorch lets cuDNN keep 10 of 23 bits (TF32) in convolutions; an explanation is compared with one from
/// the CPU. This holds for the whole process, as libtorch's setting does.
void compute_in_full_precision() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

c10::Device parse_device(const std::string& text) {
  try {
    c10::Device device(text);
    if (device.is_cpu()) return device;
    if (device.is_cuda() && at::globalContext().hasCUDA()) {
      compute_in_full_precision();
      return c10::Device(c10::kCUDA, device.has_index() ? device.index() : c10::DeviceIndex{0});
    }
    if (device.is_cuda())
      throw MachineError("device '" + text +
                         "' was asked for, but this libtorch sees no CUDA device. Use --device cpu.");
  } catch (const c10::Error&) {
  }
  throw UsageError("unknown device '" + text + "'; expected cpu, cuda or cuda:N.");
}

/// Nodes whose operator is not there, in subgraphs too. If and Loop are none: tracing takes them apart.
void list_missing(std::vector<NodeSpec>& nodes, Strings& missing) {
  for (NodeSpec& node : nodes) {
    change_bodies(node, [&](GraphBody& body) { list_missing(body.nodes, missing); });
    if (is_control_flow(node) || OperatorRegistry::all().has(node.op_type, node.domain)) continue;
    missing.push_back(node_title(node) + (node.domain.empty() ? "" : ", domain '" + node.domain + "'") + ", opset " +
                      std::to_string(node.opset));
  }
}

/// Refuses what cannot run before anything is computed.
void check_operators(OnnxModel& model) {
  constexpr size_t kListed = 20;
  const Strings missing = unsupported_operators(model);
  if (missing.empty()) return;
  std::string list;
  for (size_t i = 0; i < missing.size() && i < kListed; ++i) list += "\n  " + missing[i];
  if (missing.size() > kListed) list += "\n  and " + std::to_string(missing.size() - kListed) + " more";
  throw ModelError(model.path + " uses operators that vitrail does not have (" + std::to_string(missing.size()) +
                   " node(s)):" + list + "\nExport the model at another opset or without these layers.");
}

void convert_floats(std::vector<NodeSpec>& nodes, std::map<std::string, Tensor>& initializers,
                    const LoadOptions& options, c10::Device device) {
  for (auto& [name, tensor] : initializers) {
    if (options.double_precision && tensor.scalar_type() == at::kFloat) tensor = tensor.to(at::kDouble);
    // Integers describe shapes and positions: they stay on the CPU, where they are read.
    if (at::isFloatingType(tensor.scalar_type())) tensor = tensor.to(device);
  }
  constexpr int64_t kOnnxFloat = 1, kOnnxDouble = 11;
  for (NodeSpec& node : nodes) {
    change_bodies(node, [&](GraphBody& body) { convert_floats(body.nodes, body.initializers, options, device); });
    if (!options.double_precision) continue;
    if (node.op_type == "Cast" && node.attributes.get_int("to", 0) == kOnnxFloat)
      node.attributes.set("to", kOnnxDouble);
    if (auto value = node.attributes.get_tensor("value"); value && value->scalar_type() == at::kFloat)
      node.attributes.set("value", value->to(at::kDouble));
  }
}

std::string shape_text(const OnnxValue& value) {
  std::string text;
  for (const OnnxDim& dim : value.shape)
    text += (text.empty() ? "" : ",") + (dim.value >= 0       ? std::to_string(dim.value)
                                         : dim.symbol.empty() ? std::string("?")
                                                              : dim.symbol);
  return "[" + text + "]";
}

/// Input channels of the first convolution on this value, or -1: what an open channel dimension must be.
int64_t convolution_channels(const OnnxModel& model, const std::string& value) {
  for (const NodeSpec& node : model.nodes) {
    if (node.op_type != "Conv" || node.inputs.size() < 2 || node.inputs[0] != value) continue;
    auto weight = model.initializers.find(node.inputs[1]);
    if (weight == model.initializers.end() || weight->second.dim() < 2) continue;
    const int64_t groups = node.attributes.get_int("group", 1);
    if (groups <= weight->second.size(0)) return weight->second.size(1) * groups;  // else the node is refused later
  }
  return -1;
}

/// Gives every open dimension of an input a number. The batch (dimension 0), where it is open, becomes that of the
/// first input, or 1.
void bind_sizes(const OnnxModel& model, OnnxValue& input, const LoadOptions& options) {
  if (!input.has_shape)
    throw ModelError("input '" + input.name + "' of " + model.path + " states no shape. Re-export with a shape.");
  if (!input.shape.empty() && input.shape[0].value < 0) {
    const auto& first = model.inputs[0].shape;
    input.shape[0].value = first.empty() ? 1 : std::max<int64_t>(first[0].value, 1);
  }
  const std::string stated = shape_text(input);
  if (input.shape.size() == 4 && input.shape[1].value < 0 && input.shape[3].value < 0)
    input.shape[1].value = convolution_channels(model, input.name);

  std::vector<size_t> open;
  for (size_t i = 1; i < input.shape.size(); ++i)
    if (input.shape[i].value < 0) open.push_back(i);
  const bool given = !options.input_size.empty();
  const auto& size = given ? options.input_size : options.default_input_size;
  if (!open.empty()) {
    if (open.size() != 2 || size.size() != 2)
      throw UsageError("input '" + input.name + "' of " + model.path + " has open dimensions: " + stated +
                       ". Say the height and width with --input-size HxW.");
    for (size_t i = 0; i < 2; ++i) input.shape[open[i]].value = size[i];
  } else if (given && input.shape.size() == 4) {
    bool channels_last = input.shape[3].value <= 4 && input.shape[1].value > 4;
    size_t height = channels_last ? 1 : 2;
    if (input.shape[height].value != size[0] || input.shape[height + 1].value != size[1])
      throw UsageError("--input-size " + std::to_string(size[0]) + "x" + std::to_string(size[1]) +
                       " was given, but input '" + input.name + "' is fixed at " + stated + ". Leave the option out.");
  }
  constexpr int64_t kMaxElements = int64_t{1} << 31;
  int64_t elements = 1;
  for (const OnnxDim& dim : input.shape) {
    if (dim.value <= 0 || elements > kMaxElements / dim.value)
      throw ModelError("input '" + input.name + "' of " + model.path + " has the shape " + stated +
                       ": every dimension must be positive and the whole below 2^31 elements.");
    elements *= dim.value;
  }
}

Draft make_draft(OnnxModel& model, const LoadOptions& options) {
  Draft draft;
  draft.device = parse_device(options.device);
  draft.float_type = options.double_precision ? at::kDouble : at::kFloat;
  check_operators(model);
  convert_floats(model.nodes, model.initializers, options, draft.device);
  for (OnnxValue& input : model.inputs)
    if (options.double_precision && input.type == at::kFloat) input.type = at::kDouble;
  for (OnnxValue& input : model.inputs) bind_sizes(model, input, options);
  if (!model.inputs.empty() && !model.inputs[0].shape.empty()) draft.base_batch = model.inputs[0].shape[0].value;
  for (NodeSpec& node : model.nodes) draft.nodes.push_back({std::move(node), nullptr});
  draft.constants = std::move(model.initializers);
  draft.inputs = model.inputs;
  draft.outputs = model.outputs;
  return draft;
}

/// Values and nodes by number.
class Compiler {
 public:
  explicit Compiler(Draft& draft) : draft_(draft) {}

  std::shared_ptr<Graph::Impl> compile() {
    auto impl = std::make_shared<Graph::Impl>();
    impl_ = impl.get();
    for (const OnnxValue& input : draft_.inputs) add(input.name);
    for (DraftNode& node : draft_.nodes) {
      Graph::Impl::Node compiled{node.spec, node.op, {}, {}};
      for (const std::string& name : node.spec.inputs) compiled.inputs.push_back(add(name));
      for (const std::string& name : node.spec.outputs) compiled.outputs.push_back(add(name));
      impl->nodes.push_back(std::move(compiled));
    }
    for (const OnnxValue& output : draft_.outputs) impl->outputs.push_back(impl->info(add(output.name)));
    for (const OnnxValue& input : draft_.inputs) impl->inputs.push_back(impl->info(add(input.name)));
    for (const auto& [alias, name] : draft_.aliases)
      if (impl->ids.count(name)) impl->ids.emplace(alias, impl->ids[name]);
    impl->layers = name_layers(*impl, impl->ids);
    impl->batch = draft_.batch;
    impl->base_batch = draft_.base_batch;
    impl->notes = draft_.notes;
    impl->float_type = draft_.float_type;
    impl->device = draft_.device;
    return impl;
  }

 private:
  int add(const std::string& name) {
    if (name.empty()) return Graph::Impl::kAbsent;
    auto [it, is_new] = impl_->ids.emplace(name, static_cast<int>(impl_->values.size()));
    if (is_new) {
      Graph::Impl::Value value{name, draft_.traced[name], {}};
      if (const Tensor* constant = draft_.constant(name)) {
        value.constant = *constant;
        value.traced = {constant->scalar_type(), {}, false};
        for (int64_t size : constant->sizes()) value.traced.shape.push_back({size, 0});
      }
      impl_->values.push_back(std::move(value));
    }
    return it->second;
  }

  Draft& draft_;
  Graph::Impl* impl_ = nullptr;
};

}  // namespace

Strings unsupported_operators(OnnxModel& model) {
  Strings missing;
  list_missing(model.nodes, missing);
  return missing;
}

Graph Graph::load(const std::filesystem::path& path, const LoadOptions& options) try {
  at::NoGradGuard no_grad;
  OnnxModel model = read_onnx(path);
  const size_t nodes_in_file = model.nodes.size();
  Draft draft = make_draft(model, options);
  trace(draft, options);
  if (options.canonical) canonicalise(draft);
  remove_dead(draft);
  draft.notes.insert(draft.notes.begin(), std::to_string(nodes_in_file) + " nodes in the file, " +
                                              std::to_string(draft.folded_nodes) + " folded, " +
                                              std::to_string(draft.nodes.size()) + " left");
  auto impl = Compiler(draft).compile();
  impl->metadata = std::move(model.metadata);
  impl->path = model.path;
  impl->sha256 = model.sha256;
  return Graph(std::move(impl));
} catch (const c10::Error&) {  // outside the nodes: memory for inputs and initializers
  rethrow_at(path.string());
}

}  // namespace vitrail
