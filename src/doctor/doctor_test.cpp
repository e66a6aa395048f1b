// The examination on nets whose illness is known.

#include "vitrail/doctor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "doctor/agreement.h"
#include "doctor/saturation.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::OnnxBuilder;

/// convolution -> `middle` -> scores of three classes.
OnnxBuilder classifier(const std::string& middle = "Relu") {
  OnnxBuilder net;
  net.input("x", {-1, 3, 8, 8}).initializer("w", at::randn({4, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"});
  net.node(middle, {"c"}, {"a"}).node("GlobalAveragePool", {"a"}, {"p"}).node("Flatten", {"p"}, {"f"});
  net.initializer("head", at::randn({4, 3})).node("MatMul", {"f", "head"}, {"y"}).output("y");
  return net;
}

/// No Python, so that nothing outside of the library is asked.
Diagnosis diagnose_alone(const OnnxBuilder& net, const std::vector<Image>& photos = {}) {
  DiagnosisOptions options;
  options.python = "/there/is/no/python";
  return diagnose(net.save(), photos, options);
}

Image photo(int64_t brightness) {
  Image image;
  image.path = "photo.png";
  image.pixels = at::full({8, 8, 3}, brightness, at::kByte);
  return image;
}

TEST(Doctor, AHealthyModel) {
  const Diagnosis found = diagnose_alone(classifier(), {photo(200), photo(30)});
  EXPECT_EQ(found.obstacle, "");
  EXPECT_THAT(found.unsupported, IsEmpty());
  EXPECT_THAT(found.non_differentiable, IsEmpty());
  ASSERT_TRUE(found.batch);
  EXPECT_TRUE(found.batch->generalises);
  EXPECT_EQ(found.photos.size(), 2u);
  std::vector<std::string> engines;
  for (const Speed& speed : found.speed) {
    engines.push_back(speed.engine + std::to_string(speed.batch));
    EXPECT_GT(speed.images_per_second, 0);
  }
  EXPECT_THAT(engines, Contains("plain1"));
  EXPECT_THAT(engines, Contains("plain8"));
  EXPECT_FALSE(found.agreement);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("no comparison with ONNX Runtime through /there/is/no/python")));
}

TEST(Doctor, EveryOperatorThatIsNotThere) {
  OnnxBuilder net = classifier();
  net.node("Mystery", {"y"}, {"z"}, "my.domain").node("Riddle", {"z"}, {"out"}, "my.domain").output("out");
  const Diagnosis found = diagnose_alone(net);
  ASSERT_EQ(found.unsupported.size(), 2u);
  EXPECT_THAT(found.unsupported[0], HasSubstr("Mystery node"));
  EXPECT_THAT(found.unsupported[1], HasSubstr("my.domain"));
  EXPECT_THAT(found.obstacle, HasSubstr("2 node(s)"));
  EXPECT_FALSE(found.batch);
}

TEST(Doctor, AGradientThatStops) {
  EXPECT_THAT(diagnose_alone(classifier("Sign")).non_differentiable, ElementsAre(HasSubstr("Sign node")));
}

TEST(Doctor, SamplesThatSeeEachOther) {
  OnnxBuilder net = classifier();
  net.initializer("axes", at::tensor(std::vector<int64_t>{0}, at::kLong));
  net.node("ReduceMean", {"y", "axes"}, {"m"}).node("Sub", {"y", "m"}, {"out"}).output("out");
  DiagnosisOptions options;
  options.python = "/there/is/no/python";
  options.model.output = "out";
  const Diagnosis found = diagnose(net.save(), {}, options);
  ASSERT_TRUE(found.batch);
  EXPECT_FALSE(found.batch->generalises);
  EXPECT_NE(found.batch->reason, "");
  for (const Speed& speed : found.speed) EXPECT_EQ(speed.batch, 1);
}

TEST(Doctor, AModelWithoutAnImageIsExaminedAsAGraph) {
  OnnxBuilder net;
  net.input("x", {-1, 5}).initializer("w", at::randn({5, 3})).node("MatMul", {"x", "w"}, {"m"});
  net.node("Relu", {"m"}, {"y"}).output("y");
  const Diagnosis found = diagnose_alone(net);
  EXPECT_THAT(found.obstacle, HasSubstr("not an image"));
  EXPECT_TRUE(found.batch);
  EXPECT_EQ(found.saturation.size(), 1u);
  EXPECT_FALSE(found.speed.empty());
}

TEST(Doctor, PhotosThatSayNothing) {
  OnnxBuilder net;  // the same scores whatever it sees
  net.input("x", {-1, 3, 8, 8}).initializer("zero", at::zeros({192, 100})).node("Flatten", {"x"}, {"f"});
  net.node("MatMul", {"f", "zero"}, {"y"}).output("y");
  const Diagnosis found = diagnose_alone(net, {photo(10), photo(100), photo(250)});
  EXPECT_THAT(found.warnings, Contains(HasSubstr("chance is 1.0 %")));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("all 3 photos get the same answer")));
}

TEST(Doctor, SaturationByHand) {
  OnnxBuilder net;
  net.input("x", {-1, 4}).initializer("low", at::tensor(-1.f)).initializer("high", at::tensor(2.f));
  net.node("Relu", {"x"}, {"r"}).node("Clip", {"x", "low", "high"}, {"k"}).node("Sigmoid", {"x"}, {"s"});
  net.node("Add", {"r", "k"}, {"t"}).node("Add", {"t", "s"}, {"y"}).output("y");
  const Graph graph = Graph::load(net.save());
  const Tensor x = at::tensor({-9.f, -0.5f, 1.f, 9.f, -9.f, 0.5f, 1.f, 9.f}).view({2, 4});
  const auto found = find_saturation(graph, "x", x);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].value, "r");
  EXPECT_DOUBLE_EQ(found[0].share, 3.0 / 8);  // -9, -.5, -9
  EXPECT_DOUBLE_EQ(found[0].dead, 1.0 / 4);   // the first channel
  EXPECT_EQ(found[1].value, "k");
  EXPECT_DOUBLE_EQ(found[1].share, 4.0 / 8);  // both ends
  EXPECT_DOUBLE_EQ(found[1].dead, 1.0 / 4);
  EXPECT_EQ(found[2].value, "s");
  EXPECT_DOUBLE_EQ(found[2].share, 4.0 / 8);
}

/// x -> Sigmoid -> Greater than a half -> Where: a tie that rounding decides, and what follows.
TEST(Doctor, TiesAreNotJudgedAndDifferencesAre) {
  OnnxBuilder net;
  net.input("x", {-1, 200}).initializer("half", at::tensor(0.5f)).initializer("zero", at::tensor(0.f));
  net.node("Sigmoid", {"x"}, {"s"}).node("Greater", {"s", "half"}, {"g"}).node("Where", {"g", "s", "zero"}, {"y"});
  net.output("y");
  LoadOptions as_in_file;
  as_in_file.canonical = false;
  const Graph graph = Graph::load(net.save(), as_in_file);
  const Tensor x = at::randn({1, 200});
  OnnxRuntimeAnswer answer;
  for (const char* value : {"s", "g", "y"}) answer.values[value] = graph.run({{"x", x}}, {value})[0].clone();
  EXPECT_EQ(judge(graph, "x", x, answer).values, 3);

  const auto flip = [&](int64_t places) {
    for (int64_t i = 0; i < places; ++i) answer.values["g"][0][i] = !answer.values["g"][0][i].item<bool>();
  };
  flip(1);  // one of 200
  answer.values["y"][0][0] = 7;
  const Agreement tie = judge(graph, "x", x, answer);
  EXPECT_EQ(tie.first_diverging_value, "");
  EXPECT_EQ(tie.values, 1);
  EXPECT_EQ(tie.undecided, 2);
  flip(20);
  EXPECT_EQ(judge(graph, "x", x, answer).first_diverging_value, "g");
  const Tensor near = x.sign() * 1e-6;  // the sigmoid is a half everywhere, but for rounding
  OnnxRuntimeAnswer ties;
  for (const char* value : {"s", "g", "y"}) ties.values[value] = graph.run({{"x", near}}, {value})[0].clone();
  ties.values["g"].logical_not_();
  EXPECT_EQ(judge(graph, "x", near, ties).first_diverging_value, "");
  EXPECT_EQ(judge(graph, "x", near, ties).undecided, 2);
  answer.values["s"].mul_(1.01);
  EXPECT_EQ(judge(graph, "x", x, answer).first_diverging_value, "s");
}

TEST(Doctor, TheDocumentHasItsKeysAndNoNumberThatIsNone) {
  const auto json = nlohmann::json::parse(to_json(diagnose_alone(classifier())));
  EXPECT_EQ(json.at("format"), "vitrail-doctor");
  EXPECT_TRUE(json.at("operators").at("unsupported").is_array());
  EXPECT_TRUE(json.at("agreement").at("reference").is_null());
  EXPECT_TRUE(json.at("batch").at("generalises").get<bool>());
  for (const char* key : {"engine", "batch", "chunk", "threads", "images_per_second"})
    EXPECT_TRUE(json.at("speed").at(0).contains(key)) << key;
}

}  // namespace
}  // namespace vitrail
