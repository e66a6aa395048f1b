#include "onnx/functions.h"

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "onnx/onnx_model.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
using Names = std::map<std::string, std::string>;

constexpr int kMostLevels = 64;

/// New names for values of the function, in a node and in the graphs within it.
void rename(onnx::NodeProto& node, const Names& names) {
  const auto change = [&](std::string& name) {
    if (auto it = names.find(name); it != names.end()) name = it->second;
  };
  for (std::string& input : *node.mutable_input()) change(input);
  for (std::string& output : *node.mutable_output()) change(output);
  for (auto& attribute : *node.mutable_attribute()) {
    if (!attribute.has_g()) continue;
    onnx::GraphProto& graph = *attribute.mutable_g();
    for (auto& inner : *graph.mutable_node()) rename(inner, names);
    for (auto& output : *graph.mutable_output()) change(*output.mutable_name());
  }
}

/// Attributes that refer to those of the call get its values; without a value they fall away.
void bind_attributes(onnx::NodeProto& node, const std::map<std::string, onnx::AttributeProto>& values) {
  google::protobuf::RepeatedPtrField<onnx::AttributeProto> bound;
  for (auto& attribute : *node.mutable_attribute()) {
    if (!attribute.ref_attr_name().empty()) {
      auto it = values.find(attribute.ref_attr_name());
      if (it == values.end()) continue;
      *bound.Add() = it->second;
      bound.rbegin()->set_name(attribute.name());
      continue;
    }
    if (attribute.has_g())
      for (auto& inner : *attribute.mutable_g()->mutable_node()) bind_attributes(inner, values);
    *bound.Add() = std::move(attribute);
  }
  *node.mutable_attribute() = std::move(bound);
}

class Inliner {
 public:
  Inliner(onnx::ModelProto& model, int64_t max_nodes) : model_(model), max_nodes_(max_nodes) {
    for (const auto& function : model.functions())
      functions_[{domain_of(function.domain()), function.name(), function.overload()}] = &function;
    collect_names(model.graph());
  }

  void run() {
    for (const auto& function : model_.functions()) check_opsets(function);
    expand(*model_.mutable_graph()->mutable_node(), 0);
  }

 private:
  void collect_names(const onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) names_.insert(tensor.name());
    for (const auto& input : graph.input()) names_.insert(input.name());
    for (const auto& node : graph.node()) {
      names_.insert(node.output().begin(), node.output().end());
      for (const auto& attribute : node.attribute())
        if (attribute.has_g()) collect_names(attribute.g());
    }
  }

  void check_opsets(const onnx::FunctionProto& function) {
    for (const auto& wanted : function.opset_import()) {
      bool known = false;
      for (const auto& opset : model_.opset_import()) {
        if (domain_of(opset.domain()) != domain_of(wanted.domain())) continue;
        known = true;
        if (domain_of(wanted.domain()).empty() && opset.version() != wanted.version())
          throw ModelError(
              "the function '" + function.name() + "' imports opset " + std::to_string(wanted.version()) +
              ", the model " + std::to_string(opset.version()) +
              ". Bring both to one with onnx.version_converter, or inline the functions with onnx.inliner.");
      }
      if (!known) *model_.add_opset_import() = wanted;
    }
  }

  void expand(Nodes& nodes, int level) {
    Nodes result;
    for (auto& node : nodes) {
      for (auto& attribute : *node.mutable_attribute())
        if (attribute.has_g()) expand(*attribute.mutable_g()->mutable_node(), level);
      auto it = functions_.find({domain_of(node.domain()), node.op_type(), node.overload()});
      if (it == functions_.end()) {
        *result.Add() = std::move(node);
        continue;
      }
      if (level == kMostLevels)
        throw ModelError("the function '" + node.op_type() + "' is called " + std::to_string(kMostLevels) +
                         " levels deep: functions may not call themselves.");
      Nodes body = instance_of(*it->second, node);
      expand(body, level + 1);
      for (auto& inner : body) *result.Add() = std::move(inner);
    }
    nodes = std::move(result);
  }

  Nodes instance_of(const onnx::FunctionProto& function, const onnx::NodeProto& call) {
    made_ += function.node_size();
    if (made_ > max_nodes_)
      throw ModelError("the functions of the model make more than " + std::to_string(max_nodes_) + " nodes.");
    if (call.input_size() > function.input_size() || call.output_size() > function.output_size())
      throw ModelError("the function '" + function.name() + "' is called with " + std::to_string(call.input_size()) +
                       " inputs and " + std::to_string(call.output_size()) + " outputs; it has " +
                       std::to_string(function.input_size()) + " and " + std::to_string(function.output_size()) + ".");
    if (call.output_size() == 0)
      throw ModelError("the " + call.op_type() + " node '" + call.name() + "' has no outputs.");
    const std::string prefix = (call.name().empty() ? call.output(0) : call.name()) + "/";
    Names names;
    for (int i = 0; i < function.input_size(); ++i)
      names[function.input(i)] = i < call.input_size() ? call.input(i) : "";
    Nodes body, ends;
    const auto identity = [&](const std::string& from, const std::string& to) {
      onnx::NodeProto& node = *ends.Add();
      node.set_op_type("Identity");
      node.add_input(from);
      node.add_output(to);
    };
    for (int i = 0; i < call.output_size(); ++i) {
      const std::string& inner = function.output(i);
      if (call.output(i).empty()) continue;
      if (names.count(inner))  // an input, or an output stated twice, under one more name
        identity(names[inner], call.output(i));
      else
        names[inner] = call.output(i);
    }

    std::map<std::string, onnx::AttributeProto> attributes;
    for (const auto& standard : function.attribute_proto()) attributes[standard.name()] = standard;
    for (const auto& given : call.attribute()) attributes[given.name()] = given;
    for (const auto& node : function.node()) {
      for (const std::string& output : node.output())
        if (!output.empty() && !names.count(output)) names[output] = unique(prefix + output);
      onnx::NodeProto& copy = *body.Add();
      copy = node;
      copy.set_name(prefix + node.name());
      bind_attributes(copy, attributes);
    }
    for (auto& node : body) rename(node, names);
    for (auto& node : ends) *body.Add() = std::move(node);
    return body;
  }

  std::string unique(const std::string& base) {
    std::string name = base;
    // Counting on from the last number: a file may make a million values of one name.
    while (!names_.insert(name).second) name = base + "_" + std::to_string(++last_number_[base]);
    return name;
  }

  onnx::ModelProto& model_;
  int64_t max_nodes_, made_ = 0;
  std::map<std::tuple<std::string, std::string, std::string>, const onnx::FunctionProto*> functions_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> last_number_;
};

}  // namespace

void inline_functions(onnx::ModelProto& model, int64_t max_nodes) {
  if (model.functions_size() == 0) return;
  Inliner(model, max_nodes).run();
  model.clear_functions();
}

}  // namespace vitrail
