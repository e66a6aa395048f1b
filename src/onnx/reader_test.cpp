#include "onnx/reader.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "onnx/nodes_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OnnxBuilder;
using testing::read_bytes;
using testing::refusal;
using testing::run_nodes;

OnnxBuilder relu() {
  OnnxBuilder net;
  net.input("x", {-1, 2}).node("Relu", {"x"}, {"y"}).output("y");
  return net;
}

std::string refused(const OnnxBuilder& net, const ReadLimits& limits = {}) {
  return refusal([&] { read_bytes(net.bytes(), limits); });
}

TEST(Reader, KeepsWhatTheFileSaysOfItself) {
  OnnxBuilder net = relu();
  net.metadata("labels", "cat,dog").proto().set_producer_name("maker");
  net.proto().set_producer_version("2");
  net.proto().add_opset_import()->set_domain("com.example");
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.path, "net.onnx");
  EXPECT_EQ(model.producer, "maker 2");
  EXPECT_EQ(model.ir_version, 10);
  EXPECT_EQ(model.metadata.at("labels"), "cat,dog");
  EXPECT_EQ(model.opsets.at(""), 20);
  EXPECT_EQ(model.opsets.count("com.example"), 1);
}

TEST(Reader, HashesTheBytesOfTheFile) {
  // IR 8, opset 13, y = Identity(x); the hash is that of sha256sum.
  const unsigned char bytes[] = {0x8, 0x8,  0x3a, 0x37, 0xa,  0x10, 0xa,  0x1,  0x78, 0x12, 0x1,  0x79, 0x22,
                                 0x8, 0x49, 0x64, 0x65, 0x6e, 0x74, 0x69, 0x74, 0x79, 0x12, 0x1,  0x67, 0x5a,
                                 0xf, 0xa,  0x1,  0x78, 0x12, 0xa,  0xa,  0x8,  0x8,  0x1,  0x12, 0x4,  0xa,
                                 0x2, 0x8,  0x1,  0x62, 0xf,  0xa,  0x1,  0x79, 0x12, 0xa,  0xa,  0x8,  0x8,
                                 0x1, 0x12, 0x4,  0xa,  0x2,  0x8,  0x1,  0x42, 0x4,  0xa,  0x0,  0x10, 0xd};
  const std::string text(reinterpret_cast<const char*>(bytes), sizeof bytes);
  EXPECT_EQ(read_bytes(text).sha256, "fefb189bedfb67854e1df1528732292a1f9b848d83ca3531ab340bde95fec9fa");
}

TEST(Reader, SpellsTheStandardDomainAsNothing) {
  OnnxBuilder net = relu();
  net.proto().mutable_opset_import(0)->set_domain("ai.onnx");
  net.proto().mutable_graph()->mutable_node(0)->set_domain("ai.onnx");
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.opsets.at(""), 20);
  EXPECT_EQ(model.nodes.at(0).domain, "");
  EXPECT_EQ(model.nodes[0].opset, 20);
}

TEST(Reader, KeepsNumbersSymbolsAndGapsOfShapes) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 7}).input("s", {2}, onnx::TensorProto::INT64).node("Reshape", {"x", "s"}, {"y"}).output("y");
  auto* shape = net.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(2)->clear_value();
  const OnnxModel model = read_bytes(net.bytes());
  ASSERT_EQ(model.inputs.size(), 2);
  const auto& dims = model.inputs[0].shape;
  ASSERT_EQ(dims.size(), 3);
  EXPECT_EQ(dims[0].symbol, "N");
  EXPECT_EQ(dims[0].value, -1);
  EXPECT_EQ(dims[1].value, 3);
  EXPECT_EQ(dims[2].value, -1);
  EXPECT_EQ(dims[2].symbol, "");
  EXPECT_EQ(model.inputs[1].type, at::kLong);
  EXPECT_TRUE(model.inputs[0].has_shape);
  EXPECT_FALSE(model.outputs.at(0).has_shape);
}

TEST(Reader, TakesInitializersOutOfTheInputs) {
  OnnxBuilder net;  // files of the older IR list every initializer as an input
  net.input("x", {2}).input("w", {2}).initializer("w", at::ones({2})).node("Add", {"x", "w"}, {"y"}).output("y");
  const OnnxModel model = read_bytes(net.bytes());
  ASSERT_EQ(model.inputs.size(), 1);
  EXPECT_EQ(model.inputs[0].name, "x");
  EXPECT_EQ(model.initializers.count("w"), 1);
}

TEST(Reader, MakesInitializersOfConstants) {
  OnnxBuilder net;
  net.input("x", {1});
  net.node("Constant", {}, {"f"}).attribute("value_float", 1.5f);
  net.node("Constant", {}, {"i"}).attribute("value_int", int64_t{3});
  net.node("Constant", {}, {"is"}).attribute("value_ints", std::vector<int64_t>{4, 5});
  net.node("Constant", {}, {"fs"});
  auto* floats = net.proto().mutable_graph()->mutable_node(3)->add_attribute();
  floats->set_name("value_floats"), floats->set_type(onnx::AttributeProto::FLOATS), floats->add_floats(6.5);
  net.node("Constant", {}, {"t"});
  auto* tensor = net.proto().mutable_graph()->mutable_node(4)->add_attribute();
  tensor->set_name("value"), tensor->set_type(onnx::AttributeProto::TENSOR);
  tensor->mutable_t()->set_data_type(onnx::TensorProto::DOUBLE), tensor->mutable_t()->add_double_data(7);
  net.node("Relu", {"x"}, {"y"}).output("y");
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.nodes.size(), 1);
  const auto& values = model.initializers;
  EXPECT_TRUE(values.at("f").equal(at::scalar_tensor(1.5, at::kFloat)));
  EXPECT_TRUE(values.at("i").equal(at::scalar_tensor(3, at::kLong)));
  EXPECT_TRUE(values.at("is").equal(at::tensor({4, 5}, at::kLong)));
  EXPECT_TRUE(values.at("fs").equal(at::tensor({6.5f}, at::kFloat)));
  EXPECT_TRUE(values.at("t").equal(at::scalar_tensor(7, at::kDouble)));
}

TEST(Reader, RefusesConstantsThatAreNoNumbers) {
  OnnxBuilder text, nothing;
  text.node("Constant", {}, {"y"}).attribute("value_string", "cat").output("y");
  EXPECT_THAT(refused(text), HasSubstr("value_string"));
  nothing.node("Constant", {}, {"y"}).output("y");
  EXPECT_THAT(refused(nothing), HasSubstr("0 attributes"));
}

TEST(Reader, SortsNodes) {
  OnnxBuilder net;  // ((x + x) * x) - x, written backwards
  net.input("x", {1}).node("Sub", {"b", "x"}, {"y"}).node("Mul", {"a", "x"}, {"b"}).node("Add", {"x", "x"}, {"a"});
  net.output("y");
  const OnnxModel model = read_bytes(net.bytes());
  ASSERT_EQ(model.nodes.size(), 3);
  EXPECT_EQ(model.nodes[0].op_type, "Add");
  EXPECT_EQ(model.nodes[2].op_type, "Sub");
  EXPECT_EQ(run_nodes(model, {at::tensor({3.f})})[0].item<float>(), 15);
}

TEST(Reader, KeepsTheOrderOfAFileThatIsSorted) {
  OnnxBuilder net;
  net.input("x", {1}).node("Relu", {"x"}, {"b"}).node("Neg", {"x"}, {"a"}).node("Add", {"a", "b"}, {"y"}).output("y");
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.nodes[0].op_type, "Relu");
  EXPECT_EQ(model.nodes[1].op_type, "Neg");
}

TEST(Reader, NamesTheNodesOfACycleAndNoOthers) {
  OnnxBuilder net;
  net.input("x", {1}).node("Relu", {"x"}, {"before"});
  net.node("Add", {"before", "c"}, {"a"}).node("Neg", {"a"}, {"b"}).node("Abs", {"b"}, {"c"});
  net.node("Exp", {"c"}, {"behind"}).output("behind");
  const std::string message = refused(net);
  EXPECT_THAT(message, AllOf(HasSubstr("cycle"), HasSubstr("Add"), HasSubstr("Neg"), HasSubstr("Abs")));
  EXPECT_THAT(message, ::testing::Not(::testing::AnyOf(HasSubstr("Relu"), HasSubstr("Exp"))));

  OnnxBuilder loop;
  loop.node("Neg", {"y"}, {"y"}).output("y");
  EXPECT_THAT(refused(loop), AllOf(HasSubstr("cycle"), HasSubstr("Neg")));
}

TEST(Reader, FindsALongCycleInNoTime) {
  constexpr int kNodes = 400'000;
  OnnxBuilder net;
  const auto name = [](int i) { return "v" + std::to_string(i % kNodes); };
  for (int i = 0; i < kNodes; ++i) net.node("Relu", {name(i)}, {name(i + 1)});
  net.output("v0");
  const std::clock_t begin = std::clock();
  EXPECT_THAT(refused(net), HasSubstr("cycle"));
  EXPECT_LT((std::clock() - begin) / CLOCKS_PER_SEC, 15);  // of this process alone; comparing all pairs takes longer
}

TEST(Reader, RefusesValuesThatNothingDefinesOrThatAreDefinedTwice) {
  OnnxBuilder missing, twice, no_output, no_name;
  missing.input("x", {1}).node("Add", {"x", "ghost"}, {"y"}).output("y");
  EXPECT_THAT(refused(missing), AllOf(HasSubstr("ghost"), HasSubstr("Add")));
  twice.input("x", {1}).node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"y"}).output("y");
  EXPECT_THAT(refused(twice), AllOf(HasSubstr("'y'"), HasSubstr("twice")));
  no_output.input("x", {1}).node("Relu", {"x"}, {"y"}).output("z");
  EXPECT_THAT(refused(no_output), HasSubstr("'z'"));
  no_name.input("", {1}).node("Relu", {""}, {"y"}).output("y");
  EXPECT_THAT(refused(no_name), HasSubstr("without a name"));
}

TEST(Reader, RefusesFilesWithoutAGraphOutputsOrOpset) {
  OnnxBuilder no_graph = relu(), no_outputs = relu(), no_opset = relu(), idle = relu();
  no_graph.proto().clear_graph();
  EXPECT_THAT(refused(no_graph), HasSubstr("no graph"));
  no_outputs.proto().mutable_graph()->clear_output();
  EXPECT_THAT(refused(no_outputs), HasSubstr("no outputs"));
  no_opset.proto().clear_opset_import();
  EXPECT_THAT(refused(no_opset), HasSubstr("opset"));
  idle.node("Relu", {"x"}, {});
  EXPECT_THAT(refused(idle), HasSubstr("no outputs"));
}

TEST(Reader, RefusesWhatIsNoTensorByName) {
  OnnxBuilder sequence = relu(), optional = relu(), map = relu(), text = relu(), list = relu();
  auto type = [](OnnxBuilder& net) { return net.proto().mutable_graph()->mutable_input(0)->mutable_type(); };
  type(sequence)->mutable_sequence_type(), type(optional)->mutable_optional_type(), type(map)->mutable_map_type();
  for (const OnnxBuilder& net : {sequence, optional, map})
    EXPECT_THAT(refused(net), AllOf(HasSubstr("input 'x'"), HasSubstr("not a tensor")));
  type(text)->mutable_tensor_type()->set_elem_type(onnx::TensorProto::STRING);
  EXPECT_THAT(refused(text), AllOf(HasSubstr("input 'x'"), HasSubstr("STRING")));
  list.proto().mutable_graph()->mutable_output(0)->mutable_type()->mutable_sequence_type();
  EXPECT_THAT(refused(list), AllOf(HasSubstr("output 'y'"), HasSubstr("not a tensor")));
}

TEST(Reader, RefusesSparseInitializers) {
  OnnxBuilder sparse = relu();
  sparse.proto().mutable_graph()->add_sparse_initializer();
  EXPECT_THAT(refused(sparse), HasSubstr("sparse"));
}

/// The attribute last added to the node last added.
onnx::AttributeProto* last_attribute(OnnxBuilder& net) {
  auto* node = net.proto().mutable_graph()->mutable_node(net.proto().graph().node_size() - 1);
  return node->mutable_attribute(node->attribute_size() - 1);
}

TEST(Reader, ReadsSubgraphsAndWhatTheyTakeFromAround) {
  OnnxBuilder net;
  net.input("x", {1})
      .node("Neg", {"x"}, {"n"})
      .node("If", {"x"}, {"y"})
      .attribute("then_branch", int64_t{0})
      .output("y");
  last_attribute(net)->set_type(onnx::AttributeProto::GRAPH);
  auto* branch = last_attribute(net)->mutable_g();
  branch->set_name("yes");
  const auto add = [&](const std::string& op, const std::string& in, const std::string& out) {
    auto* node = branch->add_node();
    node->set_op_type(op), node->add_input(in), node->add_output(out);
  };
  add("Exp", "inner", "b"), add("Abs", "n", "inner");  // in the wrong order
  branch->add_output()->set_name("b");
  const OnnxModel model = read_bytes(net.bytes());
  const NodeSpec& node = model.nodes.at(1);
  EXPECT_EQ(node.captures, Strings{"n"});
  const auto& subgraph = std::get<Subgraph>(node.attributes.all().at("then_branch"));
  EXPECT_EQ(subgraph.name, "yes");
  EXPECT_EQ(subgraph.body->outputs, Strings{"b"});
  EXPECT_EQ(subgraph.body->nodes.at(0).op_type, "Abs");

  branch->mutable_node(1)->set_input(0, "nowhere");
  EXPECT_THAT(refused(net), AllOf(HasSubstr("nowhere"), HasSubstr("If")));
}

TEST(Reader, RefusesAttributesOfUnknownTypesByName) {
  OnnxBuilder net;
  net.input("x", {1}).node("Relu", {"x"}, {"y"}).attribute("strange", int64_t{0}).output("y");
  last_attribute(net)->set_type(onnx::AttributeProto::SPARSE_TENSOR);
  EXPECT_THAT(refused(net), AllOf(HasSubstr("strange"), HasSubstr("Relu"), HasSubstr("SPARSE_TENSOR")));
}

TEST(Limits, HoldForNodesTensorsBytesAndDepth) {
  OnnxBuilder net = relu();
  net.node("Relu", {"y"}, {"z"}).initializer("a", at::ones({4})).initializer("b", at::ones({4}));
  ReadLimits nodes, tensors, bytes, file;
  nodes.max_nodes = 1;
  EXPECT_THAT(refused(net, nodes), AllOf(HasSubstr("2 nodes"), HasSubstr("limit is 1")));
  tensors.max_tensors = 1;
  EXPECT_THAT(refused(net, tensors), HasSubstr("2 initializers"));
  bytes.max_tensor_bytes = 31;
  EXPECT_THAT(refused(net, bytes), AllOf(HasSubstr("31 bytes"), HasSubstr("'b'")));
  bytes.max_tensor_bytes = 32;
  EXPECT_EQ(refused(net, bytes), "");
  file.max_file_bytes = 10;
  EXPECT_THAT(refused(net, file), HasSubstr("less than 10"));
  const fs::path path = net.save();
  EXPECT_THAT(refusal([&] { read_onnx(path, file); }), HasSubstr("less than 10"));
  fs::remove_all(path.parent_path());
}

TEST(Limits, HoldForTheDepthOfSubgraphs) {
  const auto nested = [](int levels) {
    OnnxBuilder net = relu();
    auto* graph = net.proto().mutable_graph();
    for (int level = 0; level < levels; ++level) {
      auto* attribute = (level == 0 ? graph->mutable_node(0) : graph->add_node())->add_attribute();
      attribute->set_name("body"), attribute->set_type(onnx::AttributeProto::GRAPH);
      if (level > 0) graph->mutable_node(0)->add_output("y" + std::to_string(level));
      graph = attribute->mutable_g();
    }
    return net;
  };
  EXPECT_EQ(refused(nested(5)), "");
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(refused(nested(1000)), HasSubstr("nested too deeply"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(BadFiles, AreRefusedWithTheirName) {
  const fs::path path = relu().save("bad.onnx");
  const auto refused_with = [&](const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    return refusal([&] { read_onnx(path); });
  };
  EXPECT_THAT(refused_with(""), AllOf(HasSubstr("bad.onnx"), HasSubstr("empty")));
  EXPECT_THAT(refused_with("this is no model"), AllOf(HasSubstr("bad.onnx"), HasSubstr("not a valid ONNX file")));
  EXPECT_THAT(refused_with(std::string(100, '\0')), HasSubstr("not a valid ONNX file"));
  EXPECT_THAT(refused_with("\x89PNG\r\n\x1a\n"), HasSubstr("not a valid ONNX file"));
  EXPECT_THAT(refusal([&] { read_onnx(path.parent_path()); }), HasSubstr("not a file"));
  EXPECT_THAT(refusal([&] { read_onnx(path.parent_path() / "none.onnx"); }), HasSubstr("no file"));
  fs::remove_all(path.parent_path());
}

TEST(BadFiles, ThatTheDiskRefusesAreMachineErrors) {
  const fs::path path = relu().save();
  fs::permissions(path.parent_path(), fs::perms(0755));
  fs::permissions(path, fs::perms::none);
  fs::create_directory(path.parent_path() / "closed");
  fs::permissions(path.parent_path() / "closed", fs::perms::none);
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  EXPECT_THROW(read_onnx(path), MachineError);
  EXPECT_THROW(read_onnx(path.parent_path() / "closed" / "net.onnx"), MachineError);
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  fs::remove_all(path.parent_path());
}

// A prefix may happen to end between two fields: then it is a model with less in it, or refused as one.
TEST(BadFiles, TruncatedAnywhereAreReadOrRefused) {
  OnnxBuilder net = relu();
  net.initializer("w", at::ones({8})).metadata("key", "value");
  const std::string whole = net.bytes();
  size_t refusals = 0;
  ::testing::internal::CaptureStderr();
  for (size_t length = 0; length < whole.size(); ++length)
    refusals += !refusal([&] { read_bytes(whole.substr(0, length)); }).empty();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_GT(refusals, whole.size() * 9 / 10);
}

}  // namespace
}  // namespace vitrail
