// Branches and loops: what cannot be decided beforehand is refused, and nothing runs for ever. That those which can
// be decided agree with ONNX Runtime is in tests/parity.

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"
#include "vitrail/graph.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace vitrail::testing;

using Body = std::function<void(onnx::GraphProto&)>;

void add_node(onnx::GraphProto& graph, const std::string& op, const std::vector<std::string>& inputs,
              const std::string& output) {
  auto* node = graph.add_node();
  node->set_op_type(op), node->add_output(output);
  for (const std::string& input : inputs) node->add_input(input);
}

OnnxBuilder with_subgraphs(const std::string& op, const std::vector<std::string>& inputs,
                           const std::vector<std::pair<std::string, Body>>& bodies) {
  OnnxBuilder net;
  net.input("x", {-1, 2})
      .initializer("yes", at::full({}, true, at::kBool))
      .initializer("many", at::full({}, int64_t{1} << 60, at::kLong))
      .initializer("zero", at::full({}, 0.0))
      .node("ReduceSum", {"x"}, {"sum"})
      .attribute("keepdims", int64_t{0})
      .node("Greater", {"sum", "zero"}, {"bright"})
      .node("Cast", {"sum"}, {"count"})
      .attribute("to", int64_t{7})
      .node(op, inputs, {"y"});
  auto* node = net.proto().mutable_graph()->mutable_node(net.proto().graph().node_size() - 1);
  for (const auto& [name, fill] : bodies) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name), attribute->set_type(onnx::AttributeProto::GRAPH);
    fill(*attribute->mutable_g());
  }
  return net.output("y");
}

const Body kNegate = [](onnx::GraphProto& graph) {
  add_node(graph, "Neg", {"x"}, "n");
  graph.add_output()->set_name("n");
};

/// Carries one value on, under the condition it is given.
const Body kSpin = [](onnx::GraphProto& graph) {
  for (const char* name : {"i", "c", "v"}) graph.add_input()->set_name(name);
  for (const char* name : {"c", "v"}) graph.add_output()->set_name(name);
};

std::string refused(const OnnxBuilder& net) {
  return message_of<ModelError>([&] { Graph::load(net.save()); });
}

TEST(If, TakesTheBranchOfItsConstantCondition) {
  const Graph graph =
      Graph::load(with_subgraphs("If", {"yes"}, {{"then_branch", kNegate}, {"else_branch", kNegate}}).save());
  EXPECT_EQ(graph.run({{"x", at::ones({3, 2})}}, {"y"})[0].min().item<float>(), -1);
  EXPECT_TRUE(graph.batch().generalises);
}

TEST(If, ThatDependsOnTheDataIsRefusedByName) {
  EXPECT_THAT(refused(with_subgraphs("If", {"bright"}, {{"then_branch", kNegate}, {"else_branch", kNegate}})),
              AllOf(HasSubstr("If node 'If_4'"), HasSubstr("condition"), HasSubstr("data of the input")));
}

TEST(If, WithoutItsBranchOrWithOtherOutputsIsRefused) {
  EXPECT_THAT(refused(with_subgraphs("If", {"yes"}, {{"else_branch", kNegate}})), HasSubstr("then_branch"));
  EXPECT_THAT(refused(with_subgraphs("If", {"yes"}, {{"then_branch", [](onnx::GraphProto&) {}}})),
              HasSubstr("outputs"));
  EXPECT_THAT(refused(with_subgraphs("If", {}, {{"then_branch", kNegate}})), HasSubstr("no condition"));
  EXPECT_THAT(refused(with_subgraphs("If", {""}, {{"then_branch", kNegate}})), HasSubstr("no condition"));
  EXPECT_THAT(refused(with_subgraphs("If", {"yes"},
                                     {{"then_branch",
                                       [](onnx::GraphProto& graph) {
                                         graph.add_input()->set_name("x");
                                         kNegate(graph);
                                       }}})),
              HasSubstr("'x' as an input"));
}

TEST(If, UnknownOperatorsInABranchAreListed) {
  EXPECT_THAT(refused(with_subgraphs("If", {"yes"},
                                     {{"then_branch",
                                       [](onnx::GraphProto& graph) {
                                         add_node(graph, "Magic", {"x"}, "n");
                                         graph.add_output()->set_name("n");
                                       }}})),
              HasSubstr("Magic"));
}

TEST(Loop, ThatDependsOnTheDataIsRefusedByName) {
  EXPECT_THAT(refused(with_subgraphs("Loop", {"count", "", "x"}, {{"body", kSpin}})),
              AllOf(HasSubstr("Loop"), HasSubstr("trip count"), HasSubstr("data of the input")));
}

TEST(Loop, ThatHardlyEndsIsRefused) {
  EXPECT_THAT(refused(with_subgraphs("Loop", {"many", "yes", "x"}, {{"body", kSpin}})), HasSubstr("more than 100000"));
}

TEST(Loop, WithABodyThatDoesNotFitIsRefused) {
  EXPECT_THAT(refused(with_subgraphs("Loop", {"many", "yes"}, {{"body", kSpin}})), HasSubstr("carries 0 values"));
}

}  // namespace
}  // namespace vitrail
