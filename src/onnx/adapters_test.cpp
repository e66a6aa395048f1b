#include "onnx/adapters.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "onnx/nodes_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::OnnxBuilder;
using testing::read_bytes;
using testing::refusal;
using testing::run_nodes;

/// A net of one node with the input "x" and the output "y"; further inputs are constants.
struct OneNode {
  std::string op;
  int64_t opset;
  std::function<void(OnnxBuilder&)> attributes = [](OnnxBuilder&) {};
  std::vector<std::pair<std::string, Tensor>> constants = {};  ///< a name of "" is an absent input
  std::vector<std::string> outputs = {"y"};
  int64_t rank = 2;

  OnnxModel read() const {
    OnnxBuilder net(opset);
    net.input("x", std::vector<int64_t>(rank, -1));
    std::vector<std::string> inputs = {"x"};
    for (const auto& [name, tensor] : constants) {
      inputs.push_back(name);
      if (!name.empty()) net.initializer(name, tensor);
    }
    net.node(op, inputs, outputs);
    attributes(net);
    for (const std::string& output : outputs)
      if (!output.empty()) net.output(output);
    return read_bytes(net.bytes());
  }
  Tensor run(const Tensor& x) const { return run_nodes(read(), {x}).at(0); }
};

std::function<void(OnnxBuilder&)> ints(const std::string& name, std::vector<int64_t> values) {
  return [=](OnnxBuilder& net) { net.attribute(name, values); };
}

std::function<void(OnnxBuilder&)> integer(const std::string& name, int64_t value) {
  return [=](OnnxBuilder& net) { net.attribute(name, value); };
}

Tensor longs(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }
Tensor floats(std::vector<float> values) { return at::tensor(values, at::kFloat); }

void expect_equal(const Tensor& found, const Tensor& expected) {
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_TRUE(at::allclose(found.to(at::kDouble), expected.to(at::kDouble), 1e-5, 1e-6)) << found << expected;
}

std::vector<std::string> op_types(const OnnxModel& model) {
  std::vector<std::string> names;
  for (const NodeSpec& node : model.nodes) names.push_back(node.op_type);
  return names;
}

TEST(Opsets, TheRangeIsNineToTheNewest) {
  for (int64_t opset : {oldest_opset, newest_opset}) EXPECT_EQ((OneNode{"Relu", opset}.read().opsets.at("")), opset);
  EXPECT_THAT(refusal([] { OneNode{"Relu", 8}.read(); }), AllOf(HasSubstr("opset 8"), HasSubstr("9 to 27")));
  EXPECT_THAT(refusal([] { OneNode{"Relu", 28}.read(); }), AllOf(HasSubstr("opset 28"), HasSubstr("update vitrail")));
}

TEST(Opsets, NodesOfOtherDomainsStayAsTheyAre) {
  OnnxBuilder net(9);
  net.input("x", {2}).node("Clip", {"x"}, {"y"}, "com.example").attribute("min", 0.f).output("y");
  const OnnxModel model = read_bytes(net.bytes());
  EXPECT_EQ(model.nodes.at(0).inputs, Strings{"x"});
  EXPECT_TRUE(model.nodes[0].attributes.has("min"));
}

class OldSoftmax : public ::testing::TestWithParam<int64_t> {};

// Before 13: normalised over all dimensions from the axis on, 1 unless said.
TEST_P(OldSoftmax, NormalisesOverAllDimensionsFromTheAxisOn) {
  const Tensor x = at::randn({2, 3, 4, 5});
  for (int64_t axis : {0, 1, 2, 3}) {
    const Tensor rows = x.flatten(0, -1).reshape(axis == 0 ? Ints{1, 120} : x.flatten(axis).sizes().vec());
    const Tensor p = at::softmax(rows, -1).reshape(x.sizes()), log_p = at::log_softmax(rows, -1).reshape(x.sizes());
    expect_equal(OneNode{"Softmax", GetParam(), integer("axis", axis), {}, {"y"}, 4}.run(x), p);
    expect_equal(OneNode{"LogSoftmax", GetParam(), integer("axis", axis), {}, {"y"}, 4}.run(x), log_p);
    if (axis == 1) expect_equal(OneNode{"Softmax", GetParam(), [](OnnxBuilder&) {}, {}, {"y"}, 4}.run(x), p);
  }
}

INSTANTIATE_TEST_SUITE_P(Opsets, OldSoftmax, ::testing::Values(9, 10, 11, 12));

TEST(Hardmax, BeforeThirteenMarkedOneOfAllDimensionsFromTheAxisOn) {
  const Tensor x = at::randn({2, 3, 4});
  const Tensor old = OneNode{"Hardmax", 11, integer("axis", 1), {}, {"y"}, 3}.run(x);
  expect_equal(old.sum({1, 2}), at::ones({2}));
  const Tensor now = OneNode{"Hardmax", 13, integer("axis", 1), {}, {"y"}, 3}.run(x);
  expect_equal(now.sum(1), at::ones({2, 4}));
}

TEST(Scatter, IsTheFormerNameOfScatterElements) {
  const OneNode node{"Scatter", 9, integer("axis", 1), {{"i", longs({1, 0}).reshape({1, 2})}, {"u", at::ones({1, 2})}}};
  EXPECT_EQ(op_types(node.read()), Strings{"ScatterElements"});
  expect_equal(node.run(at::zeros({1, 3})), at::tensor({1.f, 1.f, 0.f}).reshape({1, 3}));
}

TEST(GridSample, HadModesNamedAfterTheirTwoDimensionalForms) {
  const Tensor x = at::randn({1, 1, 3, 3}), grid = at::rand({1, 2, 2, 2});
  for (const auto& [before, since] : {std::pair("bilinear", "linear"), {"bicubic", "cubic"}, {"nearest", "nearest"}}) {
    const auto mode = [](std::string name) { return [=](OnnxBuilder& net) { net.attribute("mode", name); }; };
    const OneNode old{"GridSample", 16, mode(before), {{"g", grid}}, {"y"}, 4};
    expect_equal(old.run(x), OneNode{"GridSample", 20, mode(since), {{"g", grid}}, {"y"}, 4}.run(x));
  }
  EXPECT_EQ((OneNode{"GridSample", 16, [](OnnxBuilder&) {}, {{"g", grid}}, {"y"}, 4}.run(x).numel()), 4);
}

TEST(RoiAlign, BeforeSixteenMovedNothingByHalfAPixel) {
  const Tensor x = at::arange(16, at::kFloat).reshape({1, 1, 4, 4});
  const std::vector<std::pair<std::string, Tensor>> region = {{"r", at::tensor({1.f, 1.f, 3.f, 3.f}).reshape({1, 4})},
                                                              {"b", longs({0})}};
  const auto whole = [](int64_t opset, const auto& inputs) {
    return OneNode{"RoiAlign", opset, [](OnnxBuilder&) {}, inputs, {"y"}, 4};
  };
  EXPECT_FLOAT_EQ(whole(10, region).run(x).item<float>(), 10);
  EXPECT_FLOAT_EQ(whole(16, region).run(x).item<float>(), 7.5);
}

TEST(Softmax, SinceThirteenIsOverOneAxis) {
  const Tensor x = at::randn({2, 3, 4});
  const OneNode node{"Softmax", 13, integer("axis", 1), {}, {"y"}, 3};
  EXPECT_EQ(op_types(node.read()), Strings{"Softmax"});
  expect_equal(node.run(x), at::softmax(x, 1));
  expect_equal(OneNode{"Softmax", 13}.run(x), at::softmax(x, -1));
}

TEST(Softmax, OverTheLastAxisNeedsNoFlattening) {
  const OneNode node{"Softmax", 11, integer("axis", -1), {}, {"y"}, 3};
  EXPECT_EQ(op_types(node.read()), Strings{"Softmax"});
}

struct Reduction {
  const char* op;
  int64_t last_with_attribute;
  double of_1_2_3_4;  ///< the reduction of the numbers 1 to 4
};

class Reductions : public ::testing::TestWithParam<Reduction> {};

TEST_P(Reductions, TakeTheirAxesFromAnAttributeOrAnInput) {
  const auto [op, last, expected] = GetParam();
  const Tensor x = floats({1, 2, 3, 4, 1, 2, 3, 4}).reshape({2, 4}), row = at::tensor({expected, expected}, at::kFloat);
  for (int64_t opset : {int64_t{9}, int64_t{11}, last}) {
    expect_equal(OneNode{op, opset, ints("axes", {1})}.run(x), row.reshape({2, 1}));
    const auto flat = [](OnnxBuilder& net) {
      net.attribute("axes", std::vector<int64_t>{-1}).attribute("keepdims", int64_t{0});
    };
    expect_equal(OneNode{op, opset, flat}.run(x), row);
    expect_equal(OneNode{op, opset}.run(x[0]), row[0].reshape({1}));
  }
  for (int64_t opset : {last + 1, newest_opset})
    expect_equal(OneNode{op, opset, [](OnnxBuilder&) {}, {{"axes", longs({1})}}}.run(x), row.reshape({2, 1}));
}

INSTANTIATE_TEST_SUITE_P(All, Reductions,
                         ::testing::Values(Reduction{"ReduceSum", 12, 10}, Reduction{"ReduceMean", 17, 2.5},
                                           Reduction{"ReduceMax", 17, 4}, Reduction{"ReduceMin", 17, 1},
                                           Reduction{"ReduceProd", 17, 24}, Reduction{"ReduceL2", 17, std::sqrt(30.)}),
                         [](const auto& info) { return std::string(info.param.op); });

TEST(Squeeze, TakesItsAxesFromAnAttributeBeforeThirteen) {
  const Tensor x = at::randn({1, 3, 1});
  for (int64_t opset : {9, 12}) {
    EXPECT_EQ((OneNode{"Squeeze", opset, ints("axes", {2}), {}, {"y"}, 3}.run(x).sizes().vec()), (Ints{1, 3}));
    EXPECT_EQ((OneNode{"Squeeze", opset, [](OnnxBuilder&) {}, {}, {"y"}, 3}.run(x).sizes().vec()), Ints{3});
    EXPECT_EQ((OneNode{"Unsqueeze", opset, ints("axes", {0, 4}), {}, {"y"}, 3}.run(x).sizes().vec()),
              (Ints{1, 1, 3, 1, 1}));
  }
  EXPECT_EQ((OneNode{"Squeeze", 13, [](OnnxBuilder&) {}, {{"axes", longs({2})}}, {"y"}, 3}.run(x).sizes().vec()),
            (Ints{1, 3}));
}

TEST(Clip, TakesItsLimitsFromAttributesBeforeEleven) {
  const Tensor x = floats({-7, -1, 0, 1, 7});
  const auto low = [](OnnxBuilder& net) { net.attribute("min", -1.f); };
  const auto high = [](OnnxBuilder& net) { net.attribute("max", 6.f); };
  const auto both = [=](OnnxBuilder& net) { low(net), high(net); };
  for (int64_t opset : {9, 10}) {
    expect_equal(OneNode{"Clip", opset, both}.run(x), floats({-1, -1, 0, 1, 6}));
    expect_equal(OneNode{"Clip", opset, low}.run(x), floats({-1, -1, 0, 1, 7}));
    expect_equal(OneNode{"Clip", opset, high}.run(x), floats({-7, -1, 0, 1, 6}));
    expect_equal(OneNode{"Clip", opset}.run(x), x);
    EXPECT_EQ((OneNode{"Clip", opset, both}.run(x.to(at::kHalf)).scalar_type()), at::kHalf);
  }
  const OneNode inputs{"Clip", 11, [](OnnxBuilder&) {}, {{"", {}}, {"max", at::scalar_tensor(6.f, at::kFloat)}}};
  expect_equal(inputs.run(x), floats({-7, -1, 0, 1, 6}));
}

TEST(Pad, TakesItsWidthsAndValueFromAttributesBeforeEleven) {
  const auto widths = [](OnnxBuilder& net) {
    net.attribute("pads", std::vector<int64_t>{0, 1, 0, 2}).attribute("value", 9.f);
  };
  const Tensor x = floats({1, 2}).reshape({1, 2}), padded = floats({9, 1, 2, 9, 9}).reshape({1, 5});
  expect_equal(OneNode{"Pad", 9, widths}.run(x), padded);
  const std::pair<std::string, Tensor> pads{"pads", longs({0, 1, 0, 2})},
      value{"value", at::scalar_tensor(9.f, at::kFloat)};
  expect_equal(OneNode{"Pad", 11, [](OnnxBuilder&) {}, {pads, value}}.run(x), padded);
}

TEST(Slice, TakesItsBoundsFromAttributesBeforeTen) {
  const Tensor x = at::tensor({0, 1, 2, 3, 4, 5}, at::kFloat).reshape({2, 3});
  const auto bounds = [](OnnxBuilder& net) {
    net.attribute("starts", std::vector<int64_t>{1}).attribute("ends", std::vector<int64_t>{INT64_MAX});
  };
  expect_equal(OneNode{"Slice", 9, bounds}.run(x), x.slice(0, 1));
  const auto columns = [=](OnnxBuilder& net) { bounds(net), net.attribute("axes", std::vector<int64_t>{-1}); };
  expect_equal(OneNode{"Slice", 9, columns}.run(x), x.slice(1, 1));
  expect_equal(OneNode{"Slice", 10, [](OnnxBuilder&) {}, {{"starts", longs({1})}, {"ends", longs({9})}}}.run(x),
               x.slice(0, 1));
}

TEST(Split, IntoListedOrEqualParts) {
  const Tensor x = floats({0, 1, 2, 3});
  const auto parts = [&](const OneNode& node) {
    std::vector<int64_t> sizes;
    for (const Tensor& part : run_nodes(node.read(), {x})) sizes.push_back(part.size(0));
    return sizes;
  };
  const auto nothing = [](OnnxBuilder&) {};
  for (int64_t opset : {9, 11, 12}) {
    EXPECT_EQ(parts({"Split", opset, ints("split", {1, 3}), {}, {"a", "b"}}), (Ints{1, 3}));
    EXPECT_EQ(parts({"Split", opset, nothing, {}, {"a", "b"}}), (Ints{2, 2}));
  }
  EXPECT_EQ(parts({"Split", 13, nothing, {{"split", longs({1, 3})}}, {"a", "b"}}), (Ints{1, 3}));
  EXPECT_EQ(parts({"Split", 17, nothing, {}, {"a", "b"}}), (Ints{2, 2}));
  EXPECT_EQ(parts({"Split", 18, integer("num_outputs", 2), {}, {"a", "b"}}), (Ints{2, 2}));
}

TEST(TopK, TakesItsNumberFromAnAttributeBeforeTen) {
  const Tensor x = floats({3, 9, 1, 7});
  const OneNode old{"TopK", 9, integer("k", 2), {}, {"values", "indices"}};
  expect_equal(run_nodes(old.read(), {x})[0], floats({9, 7}));
  expect_equal(run_nodes(old.read(), {x})[1], longs({1, 3}));
  const OneNode input{"TopK", 10, [](OnnxBuilder&) {}, {{"k", longs({2})}}, {"values", "indices"}};
  expect_equal(run_nodes(input.read(), {x})[1], longs({1, 3}));
}

/// One row of 4 values as [1, 1, 1, 4], enlarged or reduced.
Tensor resized(const std::string& op, int64_t opset, const std::string& mode, float scale) {
  const OneNode node{
      op,    opset, [&](OnnxBuilder& net) { net.attribute("mode", mode); }, {{"scales", floats({1, 1, 1, scale})}},
      {"y"}, 4};
  return node.run(floats({0, 1, 2, 3}).reshape({1, 1, 1, 4})).flatten();
}

// Position i of the result looks at i / scale.
TEST(Resize, OfTenAndUpsampleLookAtAsymmetricPositions) {
  for (const auto& [op, opset] : {std::pair("Upsample", 9), std::pair("Resize", 10)}) {
    expect_equal(resized(op, opset, "nearest", 2), floats({0, 0, 1, 1, 2, 2, 3, 3}));
    expect_equal(resized(op, opset, "nearest", 1.5), floats({0, 0, 1, 2, 2, 3}));
    expect_equal(resized(op, opset, "linear", 2), floats({0, .5, 1, 1.5, 2, 2.5, 3, 3}));
  }
  EXPECT_EQ(op_types(OneNode{"Upsample", 9, [](OnnxBuilder&) {}, {{"s", floats({1, 1})}}}.read()), Strings{"Resize"});
}

TEST(Resize, OfTenRoundsUpWhereItReduces) {
  expect_equal(resized("Resize", 10, "nearest", .5), floats({0, 2}));
  expect_equal(resized("Resize", 10, "nearest", .75), floats({0, 2, 3}));  // positions 0, 1.33, 2.67
}

TEST(Resize, EmptyTensorsStandForAbsentInputs) {
  const auto mode = [](OnnxBuilder& net) {
    net.attribute("mode", "nearest").attribute("coordinate_transformation_mode", "asymmetric");
    net.attribute("nearest_mode", "floor");
  };
  const Tensor x = floats({0, 1}).reshape({1, 1, 1, 2}), doubled = floats({0, 0, 1, 1}).reshape({1, 1, 1, 4});
  for (int64_t opset : {11, 12, 13}) {
    const OneNode by_scales{"Resize", opset, mode, {{"roi", floats({})}, {"scales", floats({1, 1, 1, 2})}}, {"y"}, 4};
    expect_equal(by_scales.run(x), doubled);
    const std::vector<std::pair<std::string, Tensor>> sizes = {
        {"roi", floats({})}, {"scales", floats({})}, {"sizes", longs({1, 1, 1, 4})}};
    expect_equal(OneNode{"Resize", opset, mode, sizes, {"y"}, 4}.run(x), doubled);
  }
}

TEST(Dropout, OfAnyVersionPassesItsInputOn) {
  const Tensor x = at::randn({2, 3});
  for (int64_t opset : {9, 11})
    expect_equal(OneNode{"Dropout", opset, [](OnnxBuilder& net) { net.attribute("ratio", .9f); }}.run(x), x);
  expect_equal(OneNode{"Dropout", 13, [](OnnxBuilder&) {}, {{"ratio", at::scalar_tensor(.9f, at::kFloat)}}}.run(x), x);
}

TEST(BatchNormalization, BeforeFourteenTrainsWhereItHasMoreOutputs) {
  const std::vector<std::pair<std::string, Tensor>> parameters = {
      {"scale", floats({2})}, {"bias", floats({1})}, {"mean", floats({3})}, {"variance", floats({4})}};
  const Tensor x = floats({3, 5}).reshape({2, 1});  // 2 (x - 3) / 2 + 1
  expect_equal(OneNode{"BatchNormalization", 9, [](OnnxBuilder&) {}, parameters}.run(x),
               floats({1, 3}).reshape({2, 1}));
  const OneNode training{"BatchNormalization", 9, [](OnnxBuilder&) {}, parameters, {"y", "m", "v"}};
  EXPECT_THAT(refusal([&] { training.read(); }), HasSubstr("evaluation mode"));
}

TEST(NewNames, AvoidThoseOfTheFile) {
  OnnxBuilder net(9);
  net.input("x", {4}).initializer("y/min", floats({5})).input("y/max", {4});
  net.node("Clip", {"x"}, {"y"}).attribute("min", 0.f).attribute("max", 1.f);
  net.node("Add", {"y", "y/min"}, {"y/min_2"}).node("Add", {"y/min_2", "y/max"}, {"z"}).output("z");
  const Tensor x = floats({-1, .5, 2, 0}), zero = floats({0, 0, 0, 0});
  expect_equal(run_nodes(read_bytes(net.bytes()), {x, zero})[0], floats({5, 5.5, 6, 5}));
}

TEST(BrokenNodes, AreRefusedByName) {
  for (const char* op : {"Upsample", "Softmax"}) {
    OnnxBuilder net(9);
    net.input("x", {4}).node(op, {}, {"y"}).output("y");
    EXPECT_THAT(refusal([&] { read_bytes(net.bytes()); }), AllOf(HasSubstr(op), HasSubstr("0 inputs")));
  }
  EXPECT_THAT(refusal([] { OneNode{"TopK", 9}.read(); }), AllOf(HasSubstr("TopK"), HasSubstr("'k'")));
  const OneNode text{"Squeeze", 9, [](OnnxBuilder& net) { net.attribute("axes", "one"); }};
  EXPECT_THAT(refusal([&] { text.read(); }), AllOf(HasSubstr("Squeeze"), HasSubstr("'axes'")));
}

}  // namespace
}  // namespace vitrail
