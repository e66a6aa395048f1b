#include "vitrail/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

Tensor ints(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

/// Two convolutions, average pooling and a linear head; softmax at the end on request.
OnnxBuilder convnet(bool softmax) {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("conv1.weight", at::randn({4, 3, 3, 3}))
      .initializer("conv2.weight", at::randn({6, 4, 3, 3}))
      .initializer("head.weight", at::randn({6, 5}))
      .node("Conv", {"x", "conv1.weight"}, {"c1"})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Relu", {"c1"}, {"r1"})
      .node("Conv", {"r1", "conv2.weight"}, {"c2"})
      .attribute("strides", std::vector<int64_t>{2, 2})
      .attribute("pads", std::vector<int64_t>{1, 1, 1, 1})
      .node("Relu", {"c2"}, {"r2"})
      .node("GlobalAveragePool", {"r2"}, {"pool"})
      .node("Flatten", {"pool"}, {"flat"})
      .node("MatMul", {"flat", "head.weight"}, {"scores"});
  if (softmax) net.node("Softmax", {"scores"}, {"p"});
  net.output(softmax ? "p" : "scores");
  return net;
}

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

const char* kRecord = R"({"preprocess": {"colour": "RGB", "layout": "NCHW", "size": [8, 8], "resize": {"rule": "whole"},
  "crop": "none", "scale": 1, "mean": [1, 2, 3], "std": [2, 2, 2]}, "output": {"kind": "logits"}, "labels": "names.txt"})";

TEST(Model, LogitsLieBeforeATrailingSoftmax) {
  Model model = Model::load(convnet(true).save(), {.preprocess = "unit"});
  EXPECT_EQ(model.logits_value(), "scores");
  Tensor x = at::randn({3, 3, 8, 8});
  Tensor logits = model.logits(x);
  EXPECT_EQ(logits.sizes().vec(), (std::vector<int64_t>{3, 5}));
  auto predictions = model.predict(x, 5);
  double sum = 0;
  for (const Prediction& p : predictions[0]) sum += p.probability;
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_GE(predictions[0][0].logit, predictions[0][1].logit);
}

TEST(Model, SidecarGivesPreprocessingAndLabels) {
  auto path = convnet(false).save();
  write(path.parent_path() / "model.json", kRecord);
  write(path.parent_path() / "names.txt", "a\nb\nc\nd\ne\n");
  Model model = Model::load(path);
  EXPECT_EQ(model.preprocess().mean, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(model.labels().size(), 5u);
  EXPECT_EQ(model.preprocess_source(), "sidecar model.json");
  EXPECT_TRUE(model.warnings().empty());
}

TEST(Model, MetadataGoesBeforeTheSidecarAndTheCallerBeforeBoth) {
  OnnxBuilder net = convnet(false);
  net.metadata("vitrail.preprocess", R"({"colour": "BGR", "layout": "NCHW", "size": [8, 8], "resize": {"rule": "none"},
    "crop": "none", "scale": 1, "mean": [0, 0, 0], "std": [1, 1, 1]})")
      .metadata("vitrail.labels", "v\nw\nx\ny\nz");
  auto path = net.save();
  write(path.parent_path() / "model.json", kRecord);
  write(path.parent_path() / "names.txt", "a\nb\nc\nd\ne\n");
  EXPECT_EQ(Model::load(path).preprocess().colour, Colour::bgr);
  EXPECT_EQ(Model::load(path, {.preprocess = "half"}).preprocess().mean[0], 0.5);
}

TEST(Model, AGuessIsReported) {
  Model model = Model::load(convnet(false).save());
  ASSERT_FALSE(model.warnings().empty());
  EXPECT_THAT(model.warnings()[0], HasSubstr("guessed"));
}

TEST(Model, LabelsThatDoNotFitAreLeftOut) {
  auto path = convnet(false).save();
  write(path.parent_path() / "model.json", kRecord);
  write(path.parent_path() / "names.txt", "a\nb\nc\nd\n");
  Model model = Model::load(path);
  EXPECT_TRUE(model.labels().empty());
  EXPECT_THAT(model.warnings()[0], HasSubstr("background"));
}

TEST(Model, ChannelsLastAndFlatInputs) {
  OnnxBuilder nhwc;
  nhwc.input("x", {-1, 4, 4, 3}).initializer("s", ints({0, -1})).node("Reshape", {"x", "s"}, {"y"}).output("y");
  Model last = Model::load(nhwc.save(), {.preprocess = "raw"});
  Tensor x = at::randn({2, 3, 4, 4});
  EXPECT_TRUE(at::allclose(last.logits(x), x.permute({0, 2, 3, 1}).reshape({2, 48})));

  OnnxBuilder flat;
  flat.input("x", {1, 16, 1}).initializer("s", ints({1, 16})).node("Reshape", {"x", "s"}, {"y"}).output("y");
  Model row = Model::load(flat.save(), {.preprocess = "raw"});
  Tensor grey = at::randn({3, 1, 4, 4});
  EXPECT_TRUE(at::allclose(row.logits(grey), grey.reshape({3, 16})));
}

TEST(Model, ProbeCutsAtAnyLayer) {
  Model model = Model::load(convnet(false).save(), {.preprocess = "unit"});
  auto probe = model.probe({Target{.string = "2", .index = 2}, Target{.string = "4", .index = 4}});
  auto layers = probe->spatial_layers();
  ASSERT_FALSE(layers.empty());
  EXPECT_EQ(layers.front().value, "r2");
  Tensor x = at::randn({2, 3, 8, 8});
  Tensor scores = probe->score(x);
  for (const LayerInfo& layer : layers) {
    Tensor activation = probe->activation(x, layer.value);
    EXPECT_EQ(activation.dim(), 4);
    EXPECT_TRUE(at::allclose(probe->score_from(x, layer.value, activation), scores, 1e-4, 1e-5)) << layer.value;
  }
  EXPECT_THROW(probe->activation(x, "flat"), UsageError);
}

TEST(Model, TokensAreBroughtToTheirGrid) {
  // Patches of 4, a class token in front, one mixing layer, the class token read out.
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("patch.weight", at::randn({6, 3, 4, 4}))
      .initializer("tokens", ints({1, 6, 4}))
      .initializer("token", at::randn({1, 1, 6}))
      .initializer("mix", at::randn({1, 5, 5}))
      .initializer("first", at::tensor(0, at::kLong))
      .node("Conv", {"x", "patch.weight"}, {"grid"})
      .attribute("strides", std::vector<int64_t>{4, 4})
      .node("Reshape", {"grid", "tokens"}, {"channels_first"})
      .node("Transpose", {"channels_first"}, {"patches"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1})
      .node("Concat", {"token", "patches"}, {"sequence"})
      .attribute("axis", int64_t{1})
      .node("Softmax", {"mix"}, {"weights"})
      .node("MatMul", {"weights", "sequence"}, {"mixed"})
      .node("Softmax", {"mixed"}, {"s"})
      .attribute("axis", int64_t{1})
      .node("Gather", {"s", "first"}, {"y"})
      .attribute("axis", int64_t{1})
      .output("y");
  Model model = Model::load(net.save(), {.preprocess = "unit"});
  auto probe = model.probe({Target{.index = 2}});
  Tensor x = at::randn({2, 3, 8, 8});
  Tensor planes = probe->activation(x, "sequence");
  EXPECT_EQ(planes.sizes().vec(), (std::vector<int64_t>{2, 6, 2, 2}));
  EXPECT_TRUE(at::allclose(planes, probe->activation(x, "grid"), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(probe->score_from(x, "sequence", planes), probe->score(x), 1e-4, 1e-5));
}

TEST(Model, ProbabilitiesWithoutLogitsGiveTheirLogarithm) {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("s", ints({1, 192}))
      .node("Reshape", {"x", "s"}, {"f"})
      .node("LogSoftmax", {"f"}, {"p"});
  net.node("Exp", {"p"}, {"y"}).output("y");
  auto path = net.save();
  write(path.parent_path() / "model.json", R"({"preprocess": {"colour": "RGB", "layout": "NCHW", "size": [8, 8],
    "resize": {"rule": "none"}, "crop": "none", "scale": 1, "mean": [0,0,0], "std": [1,1,1]}, "output": {"kind": "probabilities"}})");
  Model model = Model::load(path);
  Tensor x = at::randn({2, 3, 8, 8});
  EXPECT_TRUE(at::allclose(model.logits(x), at::log_softmax(x.reshape({2, 192}), 1), 1e-4, 1e-4));
}

TEST(ModelRefusals, LabelFilesOfTheSystemAreNotReadWithoutEnd) {
  auto path = convnet(false).save();
  std::string record = kRecord;
  record.replace(record.find("names.txt"), 9, "/proc/self/pagemap");  // of size 0, and terabytes long
  write(path.parent_path() / "model.json", record);
  EXPECT_TRUE(Model::load(path).labels().empty());
}

TEST(ModelRefusals, SayWhatWasFoundAndWhatToDo) {
  OnnxBuilder two;
  two.input("a", {1, 3, 8, 8}).input("b", {1, 3, 8, 8}).node("Add", {"a", "b"}, {"y"}).output("y");
  EXPECT_THAT(message_of<ModelError>([&] { Model::load(two.save()); }), HasSubstr("2 inputs"));

  OnnxBuilder outputs = convnet(false);
  outputs.output("r2");
  auto path = outputs.save();
  EXPECT_THAT(message_of<UsageError>([&] { Model::load(path); }), HasSubstr("--output"));
  EXPECT_EQ(Model::load(path, {.output = "scores"}).classes(), 5);

  auto plain = convnet(false).save();
  EXPECT_THAT(message_of<UsageError>([&] { Model::load(plain, {.preprocess = "imagnet"}); }), HasSubstr("imagenet"));
  write(plain.parent_path() / "model.json", "{ not json");
  EXPECT_THAT(message_of<UsageError>([&] { Model::load(plain); }), HasSubstr("not valid JSON"));
  write(plain.parent_path() / "model.json",
        R"({"preprocess": )" + std::string(500'000, '[') + std::string(500'000, ']') + "}");
  EXPECT_THAT(message_of<UsageError>([&] { Model::load(plain); }), HasSubstr("levels deep"));
  std::string wrong_size = kRecord;
  wrong_size.replace(wrong_size.find("[8, 8]"), 6, "[9, 9]");
  write(plain.parent_path() / "model.json", wrong_size);
  write(plain.parent_path() / "names.txt", "a\nb\nc\nd\ne\n");
  EXPECT_THAT(message_of<ModelError>([&] { Model::load(plain); }), HasSubstr("9x9"));

  OnnxBuilder row;
  row.input("x", {1, 7}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_THAT(message_of<ModelError>([&] { Model::load(row.save()); }), HasSubstr("not an image"));
}

}  // namespace
}  // namespace vitrail
