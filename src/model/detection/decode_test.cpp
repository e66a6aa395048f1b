// Decoders against boxes written down by hand, or drawn and encoded by the inverse of each formula.

#include "model/detection/decode.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

BoxRecord layout(BoxLayout which) {
  BoxRecord record;
  record.layout = which;
  record.boxes = {"boxes"};
  return record;
}

std::vector<double> numbers(const Tensor& values) {
  const Tensor flat = values.to(at::kDouble).contiguous().flatten();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

void expect_near(const Tensor& found, const std::vector<double>& expected) {
  EXPECT_THAT(numbers(found), ::testing::Pointwise(::testing::DoubleNear(1e-3), expected));
}

double inverse_sigmoid(double p) { return std::log(p / (1 - p)); }

TEST(Decode, FormatsOfACorner) {
  expect_near(to_corners(at::tensor({10.f, 20.f, 4.f, 6.f}), BoxFormat::cxcywh), {8, 17, 12, 23});
  expect_near(to_corners(at::tensor({10.f, 20.f, 4.f, 6.f}), BoxFormat::xywh), {10, 20, 14, 26});
  expect_near(to_corners(at::tensor({10.f, 20.f, 14.f, 26.f}), BoxFormat::xyxy), {10, 20, 14, 26});
  expect_near(to_corners(at::tensor({20.f, 10.f, 26.f, 14.f}), BoxFormat::yxyx), {10, 20, 14, 26});
}

TEST(Decode, Yolov5Rows) {
  const Tensor rows =
      at::tensor({50.f, 40.f, 20.f, 10.f, .9f, .7f, .2f, 8.f, 8.f, 4.f, 4.f, .1f, 0.f, 1.f}).reshape({1, 2, 7});
  const ModelOutput output = BoxDecoder(layout(BoxLayout::yolov5), 64, 96).decode({rows});
  expect_near(output.boxes, {40, 35, 60, 45, 6, 6, 10, 10});
  expect_near(output.objectness, {.9, .1});
  expect_near(output.scores, {.7, .2, 0, 1});
}

TEST(Decode, Yolov8Columns) {
  const Tensor columns =
      at::tensor({50.f, 8.f, 40.f, 8.f, 20.f, 4.f, 10.f, 4.f, .7f, 0.f, .2f, 1.f}).reshape({1, 6, 2});
  const ModelOutput output = BoxDecoder(layout(BoxLayout::yolov8), 64, 96).decode({columns});
  expect_near(output.boxes, {40, 35, 60, 45, 6, 6, 10, 10});
  EXPECT_FALSE(output.objectness.defined());
  expect_near(output.scores, {.7, .2, 0, 1});
  expect_near(output.confidence(), {.7, 1});
}

TEST(Decode, FurtherScoresAreNoClasses) {
  BoxRecord record = layout(BoxLayout::yolov8);
  record.classes = 1;
  const Tensor columns = at::tensor({50.f, 40.f, 20.f, 10.f, .7f, 3.f}).reshape({1, 6, 1});
  expect_near(BoxDecoder(record, 64, 96).decode({columns}).scores, {.7});
}

TEST(Decode, YoloxOffsetsToCells) {
  BoxRecord record = layout(BoxLayout::yolox);
  record.strides = {16, 32};
  Tensor rows = at::zeros({1, 2 * 3 + 1 * 2, 6});  // 32 x 48: two rows of three cells, one of two
  rows[0][4] = at::tensor({.25f, .5f, std::log(2.f), std::log(.5f), .8f, 1.f});  // second row, second cell of stride 16
  rows[0][7] = at::tensor({.5f, .5f, 0.f, 0.f, .8f, 1.f});                       // second cell of stride 32
  const ModelOutput output = BoxDecoder(record, 32, 48).decode({rows});
  expect_near(output.boxes[0][4], {20 - 16, 24 - 4, 20 + 16, 24 + 4});
  expect_near(output.boxes[0][7], {48 - 16, 16 - 16, 48 + 16, 16 + 16});
  expect_near(output.objectness[0][4], {.8});
}

/// One head of two anchors over 2 x 3 cells of 16 pixels: a box in row 1, column 2, of the second anchor.
Tensor head(const std::vector<double>& values) {
  Tensor raw = at::zeros({1, 2, 2, 3, static_cast<int64_t>(values.size())});
  raw[0][1][1][2] = at::tensor(values, at::kFloat);
  return raw;
}

BoxRecord head_record(BoxLayout which) {
  BoxRecord record = layout(which);
  record.strides = {16};
  record.anchors = {10, 10, 30, 20};
  record.activation = Activation::sigmoid;
  return record;
}

TEST(Decode, HeadsOfYolov3AndYolov5) {
  const auto logit = [](double p) { return inverse_sigmoid(p); };
  const int64_t place = (1 * 3 + 2) * 2 + 1;
  const Tensor older = head({logit(.25), logit(.5), std::log(2), std::log(.5), logit(.9), logit(.7), logit(.2)});
  const ModelOutput v3 = BoxDecoder(head_record(BoxLayout::yolov3_heads), 32, 48).decode({older});
  expect_near(v3.boxes[0][place], {36 - 30, 24 - 5, 36 + 30, 24 + 5});
  expect_near(v3.objectness[0][place], {.9});
  expect_near(v3.scores[0][place], {.7, .2});

  const Tensor newer = head({logit(.25), logit(.5), logit(.5), logit(.25), logit(.9), logit(.7)});
  const ModelOutput v5 = BoxDecoder(head_record(BoxLayout::yolov5_heads), 32, 48).decode({newer});
  // centre (2 * .25 - .5 + 2, 2 * .5 - .5 + 1) * 16, size (1, .25) * (30, 20)
  expect_near(v5.boxes[0][place], {32 - 15, 24 - 2.5, 32 + 15, 24 + 2.5});

  const Tensor flat = newer.permute({0, 1, 4, 2, 3}).reshape({1, 12, 2, 3});
  EXPECT_TRUE(at::allclose(BoxDecoder(head_record(BoxLayout::yolov5_heads), 32, 48).decode({flat}).boxes, v5.boxes));
}

TEST(Decode, SsdDecodedInUnitsOfTheInput) {
  BoxRecord record = layout(BoxLayout::ssd);
  record.scores = {"scores"};
  record.format = BoxFormat::yxyx;
  record.unit = true;
  record.activation = Activation::softmax;
  record.background = 0;
  const Tensor boxes = at::tensor({.25f, .1f, .75f, .5f}).reshape({1, 1, 4});
  const Tensor scores = at::log(at::tensor({.2f, .6f, .2f})).reshape({1, 1, 3});
  const ModelOutput output = BoxDecoder(record, 100, 200).decode({boxes, scores});
  expect_near(output.boxes, {20, 25, 100, 75});
  expect_near(output.objectness, {.8});
  expect_near(output.scores, {.75, .25});
}

TEST(Decode, SsdOffsetsToPriors) {
  BoxRecord record = layout(BoxLayout::ssd);
  record.scores = {"scores"};
  record.unit = true;
  record.priors = {.5, .5, .2, .4, .1, .1, .1, .1};
  const Tensor offsets =
      at::tensor({1.f, -.5f, static_cast<float>(std::log(2) / .2), 0.f, 0.f, 0.f, 0.f, 0.f}).reshape({1, 2, 4});
  const Tensor scores = at::full({1, 2, 1}, .5);
  const ModelOutput output = BoxDecoder(record, 100, 100).decode({offsets, scores});
  // centre .5 + .1 * 1 * .2, .5 - .05 * .4; size .4, .4
  expect_near(output.boxes[0][0], {52 - 20, 48 - 20, 52 + 20, 48 + 20});
  expect_near(output.boxes[0][1], {5, 5, 15, 15});
}

TEST(Decode, BlazefaceCentresAndPixels) {
  BoxRecord record = layout(BoxLayout::blazeface);
  record.boxes = {"b1", "b2"};
  record.scores = {"s1", "s2"};
  record.strides = {8, 16};
  record.activation = Activation::sigmoid;
  Tensor b1 = at::zeros({1, 512, 16}), b2 = at::zeros({1, 384, 16});
  b1[0][2 * (3 * 16 + 5) + 1].narrow(0, 0, 4).copy_(at::tensor({2.f, -1.f, 20.f, 30.f}));  // row 3, column 5
  b2[0][6 * (2 * 8 + 7) + 4].narrow(0, 0, 4).copy_(at::tensor({0.f, 0.f, 10.f, 10.f}));    // row 2, column 7
  const ModelOutput output =
      BoxDecoder(record, 128, 128).decode({b1, b2, at::zeros({1, 512, 1}), at::full({1, 384, 1}, 3.0)});
  expect_near(output.boxes[0][2 * (3 * 16 + 5) + 1], {46 - 10, 27 - 15, 46 + 10, 27 + 15});
  expect_near(output.boxes[0][512 + 6 * (2 * 8 + 7) + 4], {120 - 5, 40 - 5, 120 + 5, 40 + 5});
  expect_near(output.scores[0][0], {.5});
  expect_near(output.scores[0][895], {1 / (1 + std::exp(-3.0))});
}

TEST(Decode, DistancesPlainAndAsDistributions) {
  BoxRecord record = layout(BoxLayout::distances);
  record.scores = {"scores"};
  record.strides = {8};
  Tensor sides = at::zeros({1, 6, 4});
  sides[0][4] = at::tensor({1.f, .5f, 2.f, 1.f});  // row 1, column 1 of 2 x 3
  const Tensor scores = at::full({1, 6, 2}, .5);
  const ModelOutput plain = BoxDecoder(record, 16, 24).decode({sides, scores});
  expect_near(plain.boxes[0][4], {12 - 8, 12 - 4, 12 + 16, 12 + 8});

  // Bins whose mean is the distance.
  Tensor bins = at::zeros({1, 6, 4, 4});
  bins[0][4][0] = at::tensor({-40.f, 40.f, -40.f, -40.f});
  bins[0][4][1] = at::tensor({40.f, 40.f, -40.f, -40.f});
  bins[0][4][2] = at::tensor({-40.f, -40.f, 40.f, -40.f});
  bins[0][4][3] = at::tensor({40.f, -40.f, 40.f, -40.f});
  const ModelOutput spread = BoxDecoder(record, 16, 24).decode({bins.reshape({1, 6, 16}), scores});
  expect_near(spread.boxes[0][4], {12 - 8, 12 - 4, 12 + 16, 12 + 8});
}

TEST(Decode, OtherShapesAreRefusedByName) {
  const auto decode = [](const BoxRecord& record, const Tensors& values) {
    return message_of<ModelError>([&] { BoxDecoder(record, 32, 48).decode(values); });
  };
  EXPECT_THAT(decode(layout(BoxLayout::yolov5), {at::zeros({1, 6})}), HasSubstr("'boxes' has the shape [1,6]"));
  EXPECT_THAT(decode(head_record(BoxLayout::yolov5_heads), {at::zeros({1, 13, 2, 3})}), HasSubstr("A = 2"));
  EXPECT_THAT(decode(head_record(BoxLayout::yolov5_heads), {at::zeros({1, 12, 3, 3})}), HasSubstr("12 boxes"));
  BoxRecord ssd = layout(BoxLayout::ssd);
  ssd.scores = {"scores"};
  EXPECT_THAT(decode(ssd, {at::zeros({1, 3, 4}), at::zeros({1, 2, 1})}), HasSubstr("as many rows"));
}

}  // namespace
}  // namespace vitrail
