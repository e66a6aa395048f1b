#include "ops/registry.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::string& op_type, const Strings& inputs) {
  NodeSpec node;
  node.op_type = op_type;
  node.name = "the_node";
  node.opset = 20;
  node.inputs = inputs;
  node.outputs = {"y"};
  try {
    OperatorRegistry::all().make({node, Tensors(inputs.size())});
  } catch (const ModelError& e) {
    return e.what();
  }
  return {};
}

TEST(Registry, RefusesUnknownOperatorsByNameNodeAndOpset) {
  EXPECT_THAT(refusal("Magic", {"x"}), AllOf(HasSubstr("Magic"), HasSubstr("the_node"), HasSubstr("opset 20")));
}

TEST(Registry, RefusesEveryOperatorThatLacksARequiredInput) {
  for (const std::string& name : OperatorRegistry::all().names()) {
    EXPECT_THAT(refusal(name, {}), AllOf(HasSubstr(name), HasSubstr("input 0 is missing"))) << name;
    EXPECT_THAT(refusal(name, {"", "w", "b", "mean", "variance"}), HasSubstr("input 0 is missing")) << name;
  }
}

TEST(Registry, CountsTheInputsOfTheSchema) {
  for (const char* binary : {"Add", "Conv", "Gather", "MatMul", "Mod", "Pad", "Pow", "Reshape", "TopK", "Unsqueeze"})
    EXPECT_THAT(refusal(binary, {"x"}), HasSubstr("input 1 is missing")) << binary;
  for (const char* ternary : {"Attention", "InstanceNormalization", "ScatterND", "Slice", "Where"})
    EXPECT_THAT(refusal(ternary, {"x", "y"}), HasSubstr("input 2 is missing")) << ternary;
  EXPECT_THAT(refusal("BatchNormalization", {"x", "scale", "bias", "mean"}), HasSubstr("input 4 is missing"));
  for (const char* any : {"Concat", "Einsum", "Max", "Mean", "Min", "Sum"})
    EXPECT_THAT(refusal(any, {"x", "", "z"}), HasSubstr("input 1 is missing")) << any;
  EXPECT_EQ(refusal("Relu", {"x"}), "");
  EXPECT_EQ(refusal("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}), "");
}

}  // namespace
}  // namespace vitrail
