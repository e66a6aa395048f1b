// Models whose outputs are no rows of logits: detectors, segmentations, values, embeddings.

#include "vitrail/output.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"
#include "vitrail/model.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

const std::filesystem::path kImages = std::filesystem::path(VITRAIL_SOURCE_DIR) / "tests/data/images";

at::Generator& generator() {
  static at::Generator shared = at::detail::createCPUGenerator(5);
  return shared;
}

Tensor ints(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

std::filesystem::path save(const OnnxBuilder& net, const std::string& output) {
  const std::filesystem::path path = net.save();
  std::ofstream(path.parent_path() / "model.json")
      << R"({"preprocess": {"colour": "RGB", "layout": "NCHW", "size": [8, 8], "resize": {"rule": "whole"},
            "crop": "none", "scale": 0.01, "mean": [0, 0, 0], "std": [1, 1, 1]}, "output": )"
      << output << R"(, "labels": "names.txt"})";
  std::ofstream(path.parent_path() / "names.txt") << "cat\ndog\n";
  return path;
}

/// Four cells of 4 pixels; distances of the sides (at least a quarter of a cell) and probabilities of two classes.
OnnxBuilder detector() {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("wd", at::rand({4, 3, 4, 4}, generator()) * .02)
      .initializer("bd", at::full({4}, .25))
      .initializer("ws", at::randn({2, 3, 4, 4}, generator()) * .2)
      .initializer("by_cell_4", ints({0, 4, -1}))
      .initializer("by_cell_2", ints({0, 2, -1}))
      .node("Conv", {"x", "wd", "bd"}, {"d"})
      .attribute("strides", std::vector<int64_t>{4, 4})
      .node("Relu", {"d"}, {"dr"})
      .node("Reshape", {"dr", "by_cell_4"}, {"df"})
      .node("Transpose", {"df"}, {"distances"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1})
      .node("Conv", {"x", "ws"}, {"s"})
      .attribute("strides", std::vector<int64_t>{4, 4})
      .node("Sigmoid", {"s"}, {"p"})
      .node("Reshape", {"p", "by_cell_2"}, {"sf"})
      .node("Transpose", {"sf"}, {"probabilities"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1})
      .output("probabilities")
      .output("distances");
  return net;
}

const char* kBoxes = R"({"kind": "boxes", "boxes": {"layout": "distances", "strides": [4], "boxes": "distances",
  "scores": "probabilities", "score_threshold": 0.01, "overlap_threshold": 0.9}})";

/// A photo twice as high and four times as wide as the input.
Image photo() {
  Image image;
  image.path = "photo.png";
  image.pixels = (at::rand({16, 32, 3}, generator()) * 255).to(at::kByte);
  return image;
}

std::vector<Target> targets(const Model& model, const Image& image, const std::vector<std::string>& strings) {
  return model.targets(strings, model.prepare(image));
}

TEST(Detector, OutputsAreDecodedAndThePlanGivesTheSame) {
  const Model model = Model::load(save(detector(), kBoxes));
  EXPECT_EQ(model.output_kind(), OutputKind::boxes);
  EXPECT_THAT(model.output_description(), HasSubstr("distances boxes"));
  const Tensor x = at::rand({5, 3, 8, 8}, generator());
  const Tensors raw = model.graph().run({{"x", x}}, {"distances", "probabilities"});
  const ModelOutput output = model.outputs(x);
  ASSERT_EQ(output.boxes.sizes().vec(), (std::vector<int64_t>{5, 4, 4}));
  EXPECT_TRUE(at::allclose(output.scores, raw[1]));
  // The box of cell (1,0): centre (2,6) minus and plus distances of 4 pixels.
  EXPECT_TRUE(at::allclose(output.boxes[3][2],
                           at::tensor({2.f, 6.f, 2.f, 6.f}) + raw[0][3][2] * at::tensor({-4.f, -4.f, 4.f, 4.f})));
  const Model planned = model.with_plan();
  ASSERT_TRUE(planned.plan()) << planned.warnings().back();
  const ModelOutput by_plan = planned.plan_outputs(x);
  EXPECT_TRUE(at::allclose(by_plan.boxes, output.boxes, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(by_plan.scores, output.scores, 1e-4, 1e-5));
  EXPECT_THAT(message_of<ModelError>([&] { (void)model.logits(x); }), HasSubstr("not a row"));
}

TEST(Detector, PredictsBoxesInPixelsOfThePhoto) {
  const Model model = Model::load(save(detector(), kBoxes));
  const PreparedImage prepared = model.prepare(photo());
  const auto of_input = model.predict(prepared.input, 3).at(0);
  const auto of_photo = model.predict(prepared, 3);
  ASSERT_EQ(of_photo.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(of_photo[i].box);
    EXPECT_NEAR(of_photo[i].box->x1, 4 * of_input[i].box->x1, 1e-9);
    EXPECT_NEAR(of_photo[i].box->y0, 2 * of_input[i].box->y0, 1e-9);
    EXPECT_TRUE(std::isnan(of_photo[i].logit));
    EXPECT_EQ(of_photo[i].label, of_photo[i].index == 0 ? "cat" : "dog");
    EXPECT_LE(of_photo[i].probability, of_photo[i > 0 ? i - 1 : 0].probability);
  }
}

TEST(Detector, TargetsFollowTheDetections) {
  const Model model = Model::load(save(detector(), kBoxes));
  const Image image = photo();
  const PreparedImage prepared = model.prepare(image);
  const auto found = model.predict(prepared, 4);
  const auto some = targets(model, image, {"top1", "box:2", "box:all", "box:1:position", "box:1:confidence", "top2"});
  ASSERT_EQ(some.size(), 7u);
  const Tensor scores = target_scores(model.outputs(prepared.input), some)[0];
  const auto score = [&](int64_t i) { return scores[i].item<double>(); };
  EXPECT_NEAR(score(0), found[0].probability, 1e-5) << "the best box matches itself";
  EXPECT_NEAR(score(1), found[1].probability, 1e-5);
  double mean = 0;
  for (const Prediction& p : found) mean += p.probability / static_cast<double>(found.size());
  EXPECT_NEAR(score(2), mean, 1e-5);
  EXPECT_NEAR(score(3), 1, 1e-6);
  EXPECT_NEAR(score(4), found[0].probability, 1e-6);
  EXPECT_EQ(some[0].slug(), "box-1");
  EXPECT_EQ(some[1].title(), found[1].label + " (box-2)");
  EXPECT_EQ(some[2].slug(), "box-all");
  EXPECT_EQ(some[2].boxes.size(), found.size());
  EXPECT_EQ(some[3].slug(), "box-1-position");
  EXPECT_THAT(some[3].gradient_warning, HasSubstr("zero"));
  EXPECT_EQ(some[0].gradient_warning, "");
  EXPECT_EQ(some[6].slug(), "box-2");
  EXPECT_NEAR(some[1].boxes[0].x0, found[1].box->x0, 1e-6);
}

TEST(Detector, ClassesChooseAmongDetections) {
  const Model model = Model::load(save(detector(), kBoxes));
  const Image image = photo();
  const PreparedImage prepared = model.prepare(image);
  const auto found = model.predict(prepared, 4);
  const std::string last = found.back().label;
  const auto first_of_class =
      std::find_if(found.begin(), found.end(), [&](const Prediction& p) { return p.label == last; });
  const auto some = targets(model, image, {"box:1:" + last, "class:dog", "dog"});
  EXPECT_NEAR(some[0].boxes[0].x0, first_of_class->box->x0, 1e-6);
  EXPECT_EQ(some[0].slug(), "box-1-" + last);
  const ModelOutput output = model.outputs(prepared.input);
  const double best = output.scores.select(2, 1).max().item<double>();
  EXPECT_NEAR(some[1].score(output).item<double>(), best, 1e-6);
  EXPECT_NEAR(some[2].score(output).item<double>(), best, 1e-6);
}

TEST(Detector, RectanglesAreInPixelsOfThePhoto) {
  const Model model = Model::load(save(detector(), kBoxes));
  const Image image = photo();
  const ModelOutput output = model.outputs(model.prepare(image).input);
  const auto some = targets(model, image, {"rect:4:2:20:14:dog", "rect:4:2:20:14", "rect:4:2:20:14:position"});
  const Tensor position = overlap(at::tensor({1.f, 1.f, 5.f, 7.f}), output.boxes[0]);
  const Tensor p = output.scores[0], confidence = std::get<0>(p.max(1));
  const Tensor alike = p.select(1, 1) / p.square().sum(1).sqrt();
  EXPECT_NEAR(some[0].score(output).item<double>(), (position * confidence * alike).max().item<double>(), 1e-6);
  EXPECT_NEAR(some[1].score(output).item<double>(), (position * confidence).max().item<double>(), 1e-6);
  EXPECT_NEAR(some[2].score(output).item<double>(), position[(position * confidence).argmax()].item<double>(), 1e-6);
  EXPECT_EQ(some[0].slug(), "rect-4-2-20-14-dog");
  EXPECT_EQ(some[0].boxes[0].x1, 20);
}

TEST(Detector, GradientIsThatOfFiniteDifferencesAlsoAtThePhoto) {
  ModelOptions wide;
  wide.graph.double_precision = true;
  const Model model = Model::load(save(detector(), kBoxes), wide);
  const Image image = photo();
  const Tensor x0 = model.prepare(image).input.to(at::kDouble);
  const auto probe = model.probe(targets(model, image, {"box:1", "rect:4:2:20:14"}));
  for (const double shift : {0.0, 0.3}) {
    const Tensor x = (x0 * (1 + shift)).requires_grad_(true);
    const Tensor scores = probe->differentiable_score(x);
    for (int64_t t = 0; t < 2; ++t) {
      const Tensor found = gradient({scores.select(1, t).sum()}, {x}, {}, false, true)[0];
      for (int64_t i = 0; i < 3 * 64; i += 17) {
        const double step = 1e-6;
        Tensor up = x.detach().clone(), down = up.clone();
        up.view(-1)[i] += step;
        down.view(-1)[i] -= step;
        const Tensor difference = probe->differentiable_score(up) - probe->differentiable_score(down);
        const double expected = difference[0][t].item<double>() / (2 * step);
        EXPECT_NEAR(found.view(-1)[i].item<double>(), expected, 2e-4) << shift << ' ' << t << ' ' << i;
      }
      EXPECT_GT(found.abs().max().item<double>(), .005) << t;
    }
  }
}

TEST(Detector, WhatThePhotoDoesNotHaveIsAnInputError) {
  const Model model = Model::load(save(detector(), kBoxes));
  const auto refused = [&](const std::string& string) {
    return message_of<InputError>([&] { targets(model, photo(), {string}); });
  };
  EXPECT_THAT(refused("box:99"), HasSubstr("finds"));
  EXPECT_THAT(refused("top50"), HasSubstr("does not exist in this photo"));
  EXPECT_THAT(refused("rect:50:60:70:80"), HasSubstr("outside"));
  const auto misused = [&](const std::string& string) {
    return message_of<UsageError>([&] { targets(model, photo(), {string}); });
  };
  EXPECT_THAT(misused("zone:1:2"), HasSubstr("box:all"));
  EXPECT_THAT(misused("cat-vs-dog"), HasSubstr("of the kind boxes"));
  EXPECT_THAT(misused("box:1:bird"), HasSubstr("cat"));
}

/// Three classes on 4 x 4 cells, softmax behind.
OnnxBuilder segmentation(bool channels_last) {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("w", at::randn({3, 3, 2, 2}, generator()))
      .node("Conv", {"x", "w"}, {"scores"})
      .attribute("strides", std::vector<int64_t>{2, 2});
  const std::string logits = channels_last ? "last" : "scores";
  if (channels_last) net.node("Transpose", {"scores"}, {"last"}).attribute("perm", std::vector<int64_t>{0, 2, 3, 1});
  net.node("Softmax", {logits}, {"p"}).attribute("axis", int64_t{channels_last ? 3 : 1}).output("p");
  return net;
}

TEST(Segmentation, IsRecognisedByItsGrid) {
  for (const bool last : {false, true}) {
    const Model model = Model::load(save(segmentation(last), "{}"));
    EXPECT_EQ(model.output_kind(), OutputKind::segmentation);
    const Tensor x = at::rand({2, 3, 8, 8}, generator());
    const ModelOutput output = model.outputs(x);
    EXPECT_TRUE(at::allclose(output.scores, model.graph().run({{"x", x}}, {"scores"})[0], 1e-5, 1e-6));
  }
}

TEST(Segmentation, ZonesMasksAndClasses) {
  const Model model = Model::load(save(segmentation(false), R"({"kind": "segmentation"})"));
  Image image = photo();
  const PreparedImage prepared = model.prepare(image);
  const Tensor scores = model.outputs(prepared.input).scores[0], classes = scores.argmax(0);
  const auto prediction = model.predict(prepared, 3);
  double area = 0;
  for (const Prediction& p : prediction) area += *p.area;
  EXPECT_NEAR(area, 1, 1e-9);
  const int64_t most = prediction[0].index;
  const double mean = scores[most].masked_select(classes == most).mean().item<double>();
  EXPECT_NEAR(prediction[0].logit, mean, 1e-5);

  const auto mask = std::filesystem::temp_directory_path() / "vitrail_mask_test.png";
  Tensor drawn = at::zeros({16, 32, 3}, at::kByte);
  drawn.narrow(0, 0, 4).narrow(1, 8, 8).fill_(255);  // cell (0,1)
  const auto encoded = encode_png(drawn);
  std::ofstream(mask, std::ios::binary).write(reinterpret_cast<const char*>(encoded.data()), encoded.size());
  const auto some =
      targets(model, image, {"top1", "class:" + std::to_string(most), "zone:12:1", "mask:" + mask.string() + ":2"});
  const Tensor found = target_scores(model.outputs(prepared.input), some)[0];
  EXPECT_NEAR(found[0].item<double>(), mean, 1e-5);
  EXPECT_NEAR(found[1].item<double>(), mean, 1e-5);
  EXPECT_EQ(some[2].index, classes[0][1].item<int64_t>()) << "pixel (12,1) of 32 x 16 is in cell (0,1)";
  EXPECT_EQ(some[2].slug(), "zone-12-1");
  EXPECT_NEAR(found[3].item<double>(), scores[2][0][1].item<double>(), 1e-5);
  EXPECT_EQ(some[3].slug(), "mask-vitrail-mask-test-2");
  std::filesystem::remove(mask);

  EXPECT_THAT(message_of<InputError>([&] { targets(model, image, {"zone:40:2"}); }), HasSubstr("outside"));
  EXPECT_THAT(message_of<UsageError>([&] { targets(model, image, {"box:1"}); }), HasSubstr("zone:x:y"));
  EXPECT_THAT(message_of<UsageError>([&] { targets(model, image, {"prob:1"}); }), HasSubstr("segmentation"));
  EXPECT_THAT(message_of<InputError>([&] { targets(model, image, {"mask:" + (kImages / "rgb.png").string()}); }),
              HasSubstr("expected the same size"));
}

OnnxBuilder row(int64_t size) {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("w", at::randn({192, size}, generator()))
      .node("Flatten", {"x"}, {"flat"})
      .node("MatMul", {"flat", "w"}, {"y"})
      .output("y");
  return net;
}

TEST(Regression, ExplainsValuesAndHasNoClasses) {
  const Model model = Model::load(save(row(2), R"({"kind": "regression"})"));
  const Image image = photo();
  const PreparedImage prepared = model.prepare(image);
  const Tensor y = model.outputs(prepared.input).scores[0];
  const auto some = targets(model, image, {"out:1", "-out:0"});
  const Tensor found = target_scores(model.outputs(prepared.input), some)[0];
  EXPECT_FLOAT_EQ(found[0].item<float>(), y[1].item<float>());
  EXPECT_FLOAT_EQ(found[1].item<float>(), -y[0].item<float>());
  EXPECT_EQ(some[0].label, "dog");
  EXPECT_THAT(message_of<UsageError>([&] { targets(model, image, {"top1"}); }), HasSubstr("out:N"));
  EXPECT_TRUE(std::isnan(model.predict(prepared, 1)[0].probability));
}

TEST(Embedding, SimilarityToAnotherPhoto) {
  const Model model = Model::load(save(row(7), R"({"kind": "embedding"})"));
  const std::string other = (kImages / "rgb.png").string();
  const Image image = photo();
  const auto target = targets(model, image, {"similar:" + other})[0];
  const Tensor a = model.outputs(model.prepare(image).input).scores;
  const Tensor b = model.outputs(model.prepare(read_image(other)).input).scores;
  EXPECT_NEAR(target.score(model.outputs(model.prepare(image).input)).item<double>(),
              at::cosine_similarity(a, b).item<double>(), 1e-6);
  EXPECT_EQ(target.slug(), "similar-rgb");
  EXPECT_EQ(target.unit_name(), "similarity");
  EXPECT_THAT(message_of<InputError>([&] { targets(model, read_image(other), {"similar:" + other}); }),
              HasSubstr("with itself"));
}

TEST(OutputKinds, AreSaidOrRefused) {
  EXPECT_THAT(message_of<UsageError>([] { Model::load(save(row(7), R"({"kind": "depth"})")); }),
              HasSubstr("segmentation"));
  EXPECT_THAT(message_of<UsageError>([] { Model::load(save(row(7), R"({"kind": "segmentation"})")); }),
              HasSubstr("no grid over the input"));
  EXPECT_THAT(message_of<UsageError>([] { Model::load(save(detector(), R"({"kind": "boxes"})")); }),
              HasSubstr("layout"));
  EXPECT_THAT(message_of<UsageError>([] { Model::load(save(detector(), "{}")); }), HasSubstr("--output NAME"));
}

}  // namespace
}  // namespace vitrail
