#include "onnx/functions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "onnx/nodes_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using namespace vitrail::testing;

onnx::FunctionProto* add_function(OnnxBuilder& net, const std::string& name, const Strings& inputs,
                                  const Strings& outputs) {
  auto* function = net.proto().add_functions();
  function->set_name(name), function->set_domain("own");
  for (const std::string& input : inputs) function->add_input(input);
  for (const std::string& output : outputs) function->add_output(output);
  auto* opset = function->add_opset_import();
  opset->set_version(20);
  return function;
}

onnx::NodeProto* add_node(onnx::FunctionProto* function, const std::string& op, const Strings& inputs,
                          const std::string& output, const std::string& domain = "") {
  auto* node = function->add_node();
  node->set_op_type(op), node->set_domain(domain), node->add_output(output);
  for (const std::string& input : inputs) node->add_input(input);
  return node;
}

OnnxBuilder calling(const Strings& inputs, const Strings& outputs) {
  OnnxBuilder net;
  auto* opset = net.proto().add_opset_import();
  opset->set_domain("own"), opset->set_version(1);
  net.input("x", {2}).node("f", inputs, outputs, "own");
  return net;
}

Tensors run(OnnxBuilder& net) { return run_nodes(read_bytes(net.bytes()), {at::ones({2}) * -2}); }

TEST(Functions, CallEachOtherWithoutMixingTheirNames) {
  OnnxBuilder net = calling({"x"}, {"a"});
  net.node("f", {"a"}, {"y"}, "own").output("y");
  auto* f = add_function(net, "f", {"v"}, {"w"});
  add_node(f, "g", {"v"}, "x", "own");  // a name that the caller has too
  add_node(f, "Add", {"x", "v"}, "w");
  add_node(add_function(net, "g", {"v"}, {"w"}), "Neg", {"v"}, "w");
  EXPECT_TRUE(run(net)[0].equal(at::ones({2}) * 0));
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.nodes.size(), 4u);
  for (const NodeSpec& node : model.nodes) EXPECT_EQ(node.domain, "");
}

TEST(Functions, TakeAttributesOfTheCallOrTheirDefaults) {
  const auto slope = [](bool given) {
    OnnxBuilder net = calling({"x"}, {"y"});
    if (given) net.attribute("slope", 0.25f);
    net.output("y");
    auto* f = add_function(net, "f", {"v"}, {"w"});
    auto* standard = f->add_attribute_proto();
    standard->set_name("slope"), standard->set_type(onnx::AttributeProto::FLOAT), standard->set_f(0.5f);
    auto* reference = add_node(f, "LeakyRelu", {"v"}, "w")->add_attribute();
    reference->set_name("alpha"), reference->set_ref_attr_name("slope"),
        reference->set_type(onnx::AttributeProto::FLOAT);
    return run(net)[0];
  };
  EXPECT_TRUE(slope(true).equal(at::ones({2}) * -0.5));
  EXPECT_TRUE(slope(false).equal(at::ones({2}) * -1));
}

TEST(Functions, MayLeaveInputsAndOutputsOutAndHandInputsOn) {
  OnnxBuilder net = calling({"x"}, {"y", "", "same"});
  net.output("y").output("same");
  auto* f = add_function(net, "f", {"v", "low"}, {"w", "unused", "v"});
  add_node(f, "Clip", {"v", "low"}, "w");
  add_node(f, "Neg", {"v"}, "unused");
  const Tensors out = run(net);
  EXPECT_TRUE(out[0].equal(at::ones({2}) * -2));
  EXPECT_TRUE(out[1].equal(at::ones({2}) * -2));
}

TEST(Functions, ThatCannotBeInlinedAreRefused) {
  const auto refused = [](const std::function<void(OnnxBuilder&)>& build) {
    OnnxBuilder net = calling({"x"}, {"y"});
    net.output("y");
    build(net);
    ReadLimits limits;
    limits.max_nodes = 10'000;
    return refusal([&] { read_bytes(net.bytes(), limits); });
  };
  EXPECT_THAT(refused([](OnnxBuilder& net) { add_node(add_function(net, "f", {"v"}, {"w"}), "f", {"v"}, "w", "own"); }),
              HasSubstr("may not call themselves"));
  EXPECT_THAT(refused([](OnnxBuilder& net) { add_node(add_function(net, "f", {}, {"w"}), "Neg", {"v"}, "w"); }),
              HasSubstr("called with 1 inputs"));
  EXPECT_THAT(refused([](OnnxBuilder& net) {
                add_node(add_function(net, "f", {"v"}, {"w"}), "Neg", {"v"}, "w");
                auto* call = net.proto().mutable_graph()->mutable_node(0);
                call->clear_name(), call->clear_output();
              }),
              HasSubstr("no outputs"));
  EXPECT_THAT(refused([](OnnxBuilder& net) {
                auto* f = add_function(net, "f", {"v"}, {"w"});
                add_node(f, "Neg", {"v"}, "w");
                f->mutable_opset_import(0)->set_version(18);
              }),
              HasSubstr("imports opset 18"));
  // f calls g twice, g calls h twice ...: 2^40 nodes.
  EXPECT_THAT(refused([](OnnxBuilder& net) {
                std::string name = "f";
                for (int level = 0; level < 40; ++level) {
                  auto* function = add_function(net, name, {"v"}, {"w"});
                  name = "g" + std::to_string(level);
                  add_node(function, name, {"v"}, "a", "own");
                  add_node(function, name, {"a"}, "w", "own");
                }
              }),
              HasSubstr("more than 10000 nodes"));
}

}  // namespace
}  // namespace vitrail
