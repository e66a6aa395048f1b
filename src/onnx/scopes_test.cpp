#include "onnx/scopes.h"

#include <gtest/gtest.h>

namespace vitrail {
namespace {

std::string of_path(const std::string& name) {
  onnx::NodeProto node;
  node.set_name(name);
  return scope_of(node);
}

std::string of_metadata(const std::string& list) {
  onnx::NodeProto node;
  node.set_name("/a/path/Conv");
  auto* other = node.add_metadata_props();
  other->set_key("namespace");
  other->set_value("elsewhere");
  auto* entry = node.add_metadata_props();
  entry->set_key("pkg.torch.onnx.name_scopes");
  entry->set_value(list);
  return scope_of(node);
}

TEST(Scopes, OfTheOlderExporterAreThePathOfTheNode) {
  EXPECT_EQ(of_path("/conv1/Conv"), "conv1");
  EXPECT_EQ(of_path("/layer1/layer1.0/conv1/Conv"), "layer1.0.conv1");
  EXPECT_EQ(of_path("/features/features.1/features.1.0/attn/MatMul_2"), "features.1.0.attn");
  EXPECT_EQ(of_path("/blocks.0/norm1/Add"), "blocks.0.norm1");       // a list of modules is not called itself
  EXPECT_EQ(of_path("/block/block/block.0/Conv"), "block.block.0");  // a module inside one of the same name
  EXPECT_EQ(of_path("/layer1/layer10/Conv"), "layer1.layer10");      // a longer name is no repetition
}

TEST(Scopes, AreEmptyWhereTheNameIsNoPath) {
  EXPECT_EQ(of_path(""), "");
  EXPECT_EQ(of_path("Conv_12"), "");
  EXPECT_EQ(of_path("/Conv"), "");
  EXPECT_EQ(of_path("model/block/Conv"), "");
}

TEST(Scopes, OfTheNewerExporterAreTheDeepestModuleOfTheList) {
  EXPECT_EQ(of_metadata("['', 'layer1', 'layer1.0', 'layer1.0.bn1', 'getitem']"), "layer1.0.bn1");
  EXPECT_EQ(of_metadata("[\"\", \"head\", \"linear\"]"), "head");
  EXPECT_EQ(of_metadata("['', 'add_3']"), "");
}

TEST(Scopes, OfBrokenListsAreWhatCanBeRead) {
  for (const char* list : {"", "[", "[]", "'", "['']", "nothing"}) EXPECT_EQ(of_metadata(list), "") << list;
  EXPECT_EQ(of_metadata("['', 'a', 'b', 'c"), "a");
}

}  // namespace
}  // namespace vitrail
