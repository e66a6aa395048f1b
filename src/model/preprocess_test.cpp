#include "vitrail/preprocess.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;

Image random_image(int64_t height, int64_t width) {
  Image image;
  image.pixels = at::randint(0, 256, {height, width, 3}, at::kByte);
  image.path = "photo.png";
  return image;
}

Image one_pixel(int64_t red, int64_t green, int64_t blue) {
  Image image;
  image.pixels = at::tensor({red, green, blue}, at::kLong).to(at::kByte).reshape({1, 1, 3});
  return image;
}

Preprocess raw(int64_t height, int64_t width) { return Preprocess::preset("raw", height, width, 3, Layout::nchw); }

void expect_numbers(const Tensor& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found.flatten()[static_cast<int64_t>(i)].item<double>(), expected[i], 1e-6) << i;
}

void expect_rectangle(const Rectangle& found, double x0, double y0, double x1, double y1) {
  EXPECT_NEAR(found.x0, x0, 1e-9);
  EXPECT_NEAR(found.y0, y0, 1e-9);
  EXPECT_NEAR(found.x1, x1, 1e-9);
  EXPECT_NEAR(found.y1, y1, 1e-9);
}

const char* kRecord = R"({"colour": "BGR", "layout": "NHWC", "size": [96, 128],
  "resize": {"rule": "short_side", "to": 140, "filter": "bicubic", "antialias": false, "keep_exact": true},
  "crop": "centre", "scale": 0.5, "mean": [1, 2.5, 3], "std": [4, 5, 6]})";

TEST(PreprocessRecord, IsReadKeyByKey) {
  const Preprocess p = Preprocess::from_json(kRecord, "model.json");
  EXPECT_EQ(p.colour, Colour::bgr);
  EXPECT_EQ(p.layout, Layout::nhwc);
  EXPECT_EQ(p.height, 96);
  EXPECT_EQ(p.width, 128);
  EXPECT_EQ(p.resize, ResizeRule::short_side);
  EXPECT_EQ(p.resize_to, 140);
  EXPECT_EQ(p.filter, ResizeFilter::bicubic);
  EXPECT_FALSE(p.antialias);
  EXPECT_TRUE(p.keep_exact);
  EXPECT_TRUE(p.centre_crop);
  EXPECT_EQ(p.scale, 0.5);
  EXPECT_EQ(p.mean, (std::vector<double>{1, 2.5, 3}));
  EXPECT_EQ(p.std, (std::vector<double>{4, 5, 6}));
}

TEST(PreprocessRecord, ComesBackFromItsOwnText) {
  EXPECT_EQ(json::parse(Preprocess::from_json(kRecord, "a").to_json()), json::parse(kRecord));
  for (const std::string name : {"imagenet", "half", "unit", "raw"}) {
    for (int64_t channels : {1, 3}) {
      const std::string text = Preprocess::preset(name, 32, 48, channels, Layout::flat).to_json();
      EXPECT_EQ(Preprocess::from_json(text, "a").to_json(), text);
    }
  }
}

TEST(PreprocessRecord, WhatIsLeftOutHasADefault) {
  const Preprocess p = Preprocess::from_json(R"({"size": [8, 9], "colour": "grey", "something": "else"})", "a");
  EXPECT_EQ(p.resize, ResizeRule::none);
  EXPECT_FALSE(p.centre_crop);
  EXPECT_EQ(p.scale, 1);
  EXPECT_EQ(p.mean, std::vector<double>{0});
  EXPECT_EQ(p.std, std::vector<double>{1});
}

struct BadRecord {
  const char* change;              ///< merged into the record; null takes a key away
  std::vector<std::string> words;  ///< of the refusal
};

TEST(PreprocessRecord, MistakesAreNamedWithTheirKey) {
  const BadRecord rows[] = {
      {R"({"size": null})", {"preprocess.size", "missing", "[height, width]"}},
      {R"({"size": [224]})", {"preprocess.size", "[224]"}},
      {R"({"size": [0, 224]})", {"preprocess.size", "1 to 8192"}},
      {R"({"size": [224, 100000]})", {"preprocess.size", "100000"}},
      {R"({"size": [224, 18446744073709551615]})", {"preprocess.size", "1 to 8192"}},
      {R"({"size": [2.5, 224]})", {"preprocess.size", "2.5"}},
      {R"({"colour": "rgb"})", {"preprocess.colour", "rgb", "RGB, BGR, grey"}},
      {R"({"layout": 3})", {"preprocess.layout", "NCHW, NHWC, flat"}},
      {R"({"crop": "center"})", {"preprocess.crop", "centre, none"}},
      {R"({"resize": 7})", {"preprocess.resize", "not a JSON object"}},
      {R"({"resize": {"rule": "long_side"}})", {"preprocess.resize.rule", "short_side, whole, none"}},
      {R"({"resize": {"filter": "lanczos"}})", {"preprocess.resize.filter", "bilinear, bicubic, nearest"}},
      {R"({"resize": {"antialias": "yes"}})", {"preprocess.resize.antialias", "true or false"}},
      {R"({"resize": {"to": 0}})", {"preprocess.resize.to", "1 to 8192"}},
      {R"({"scale": "1/255"})", {"preprocess.scale", "a number"}},
      {R"({"scale": 0})", {"preprocess.scale", "other than 0"}},
      {R"({"mean": [1, 2]})", {"preprocess.mean", "3 number(s), one a channel"}},
      {R"({"mean": 0.5})", {"preprocess.mean", "3 number(s)"}},
      {R"({"std": [1, 0, 1]})", {"preprocess.std", "other than 0"}},
      {R"({"std": [1, "a", 1]})", {"preprocess.std", "3 number(s)"}},
  };
  for (const BadRecord& row : rows) {
    json record = json::parse(kRecord);
    record.merge_patch(json::parse(row.change));
    const std::string message = message_of<UsageError>([&] { Preprocess::from_json(record.dump(), "cat.json"); });
    EXPECT_THAT(message, HasSubstr("cat.json")) << row.change;
    for (const std::string& word : row.words) EXPECT_THAT(message, HasSubstr(word)) << row.change;
  }
  for (const std::string text : {"", "{", "[]", "7"})
    EXPECT_THAT(message_of<UsageError>([&] { Preprocess::from_json(text, "cat.json"); }), HasSubstr("cat.json"));
}

TEST(PreprocessRecord, HostileTextsAreRefusedInAShortMessage) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  for (const std::string& value : {nested(1'000'000), nested(60), '"' + std::string(100'000, 'a') + '"'}) {
    const std::string record = R"({"size": [8, 8], "colour": )" + value + "}";
    EXPECT_LT(message_of<UsageError>([&] { Preprocess::from_json(record, "cat.json"); }).size(), 200u);
    EXPECT_THAT(message_of<UsageError>([&] { Preprocess::from_json(record, "cat.json"); }), HasSubstr("cat.json"));
  }
}

TEST(Preset, UnknownNamesAreRefusedWithTheKnownOnes) {
  EXPECT_THAT(message_of<UsageError>([] { Preprocess::preset("imagnet", 8, 8, 3, Layout::nchw); }),
              AllOf(HasSubstr("imagnet"), HasSubstr("imagenet")));
}

TEST(Preset, ScalesAsItsNameSays) {
  const auto at = [](const std::string& name, double value) {
    return pixel_in_input_space(value, Preprocess::preset(name, 8, 8, 3, Layout::nchw));
  };
  expect_numbers(at("raw", 51), {51, 51, 51});
  expect_numbers(at("unit", 51), {0.2, 0.2, 0.2});
  expect_numbers(at("half", 51), {-0.6, -0.6, -0.6});
  expect_numbers(at("imagenet", 51), {(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225});
  EXPECT_EQ(pixel_in_input_space(0, Preprocess::preset("half", 8, 8, 1, Layout::nchw)).sizes().vec(),
            (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(Preprocess::preset("imagenet", 224, 224, 3, Layout::nchw).resize_to, 256);
}

TEST(Prepare, NormalisesEachChannelInItsOrder) {
  Preprocess p = Preprocess::from_json(kRecord, "a");
  p.height = p.width = 1;
  p.resize = ResizeRule::none;
  // Blue, green, red.
  expect_numbers(prepare(one_pixel(10, 20, 30), p).input, {(15 - 1) / 4.0, (10 - 2.5) / 5, (5 - 3) / 6.0});
  p.colour = Colour::rgb;
  expect_numbers(prepare(one_pixel(10, 20, 30), p).input, {(5 - 1) / 4.0, (10 - 2.5) / 5, (15 - 3) / 6.0});
}

TEST(Prepare, AsksForOneMeanAndDeviationAChannel) {
  for (const std::string name : {"imagenet", "half", "unit", "raw"})
    for (int64_t channels : {1, 3, 4})  // a model of four channels takes no photo, which is for Model to say
      EXPECT_NO_THROW(prepare(random_image(8, 8), Preprocess::preset(name, 8, 8, channels, Layout::nchw))) << name;
  Preprocess grey = raw(8, 8);
  grey.colour = Colour::grey;
  EXPECT_THAT(message_of<UsageError>([&] { prepare(random_image(8, 8), grey); }), HasSubstr("3 means"));
  EXPECT_THAT(message_of<UsageError>([&] { pixel_in_input_space(0, grey); }), HasSubstr("1 channel"));
  Preprocess two = raw(8, 8);
  two.std = {1, 1};
  EXPECT_THAT(message_of<UsageError>([&] { prepare(random_image(8, 8), two); }), HasSubstr("2 standard deviations"));
}

TEST(Prepare, GreyIsThatOfPillow) {
  const Preprocess grey = Preprocess::preset("raw", 1, 1, 1, Layout::nchw);
  expect_numbers(prepare(one_pixel(255, 0, 0), grey).input, {76});
  expect_numbers(prepare(one_pixel(0, 255, 0), grey).input, {150});
  expect_numbers(prepare(one_pixel(0, 0, 255), grey).input, {29});
  expect_numbers(prepare(one_pixel(10, 200, 77), grey).input, {129});
}

TEST(Prepare, WholeShowsAllOfThePhoto) {
  const Image image = random_image(30, 50);
  const PreparedImage prepared = prepare(image, raw(12, 8));
  EXPECT_EQ(prepared.input.sizes().vec(), (std::vector<int64_t>{1, 3, 12, 8}));
  EXPECT_EQ(prepared.input.scalar_type(), at::kFloat);
  expect_rectangle(prepared.placed, 0, 0, 50, 30);
  const Tensor expected = resize(image.pixels, 12, 8, ResizeFilter::bilinear).permute({2, 0, 1}).to(at::kFloat);
  EXPECT_EQ((prepared.input[0] - expected).abs().max().item<double>(), 0);
}

TEST(Prepare, ResizesWithTheFilterOfTheRecord) {
  const Image image = random_image(30, 50);
  const std::pair<ResizeRule, bool> rules[] = {
      {ResizeRule::whole, false}, {ResizeRule::short_side, false}, {ResizeRule::short_side, true}};
  for (const auto& [rule, centre_crop] : rules) {
    for (ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::bicubic}) {
      for (bool antialias : {true, false}) {
        Preprocess p = raw(12, 20);  // the shape of the photo: nothing is cut off
        p.resize = rule;
        p.centre_crop = centre_crop;
        p.resize_to = 12;
        p.filter = filter;
        p.antialias = antialias;
        const Tensor expected = resize(image.pixels, 12, 20, filter, antialias).permute({2, 0, 1}).to(at::kFloat);
        EXPECT_TRUE(prepare(image, p).input[0].equal(expected));
      }
    }
  }
}

TEST(Prepare, TheCentreIsCutRoundingToTheTopLeft) {
  Preprocess p = raw(4, 4);
  p.resize = ResizeRule::short_side;
  p.resize_to = 7;
  p.centre_crop = true;
  // 7 x 14 stays as it is; offsets floor(3 / 2) and floor(10 / 2).
  const Image image = random_image(7, 14);
  const PreparedImage prepared = prepare(image, p);
  expect_rectangle(prepared.placed, 5, 1, 9, 5);
  const Tensor expected = image.pixels.slice(0, 1, 5).slice(1, 5, 9).permute({2, 0, 1}).to(at::kFloat);
  EXPECT_EQ((prepared.input[0] - expected).abs().max().item<double>(), 0);
}

TEST(Prepare, TheLongSideIsRoundedAndThePlaceIsInPixelsOfThePhoto) {
  Preprocess p = raw(4, 4);
  p.resize = ResizeRule::short_side;
  p.resize_to = 8;
  p.centre_crop = true;
  // 20 x 33 becomes 8 x 13 (13.2): the crop begins at 2 and 4 of these.
  const PreparedImage prepared = prepare(random_image(20, 33), p);
  const double sx = 33 / 13.0, sy = 20 / 8.0;
  expect_rectangle(prepared.placed, 4 * sx, 2 * sy, 8 * sx, 6 * sy);
}

TEST(Prepare, KeepsAnImageOfTheRightSizeWhereTheRecordSaysSo) {
  Preprocess p = Preprocess::preset("imagenet", 8, 8, 3, Layout::nchw);
  const Image image = random_image(8, 8);
  expect_rectangle(prepare(image, p).placed, 0, 0, 64 / 9.0, 64 / 9.0);  // to 9, then 8 of these
  p.keep_exact = true;
  expect_rectangle(prepare(image, p).placed, 0, 0, 8, 8);
}

TEST(Prepare, ImagesThatDoNotFitAreRefusedWithBothSizes) {
  Preprocess none = raw(8, 9);
  none.resize = ResizeRule::none;
  EXPECT_THAT(message_of<InputError>([&] { prepare(random_image(30, 50), none); }),
              AllOf(HasSubstr("photo.png"), HasSubstr("50x30"), HasSubstr("9x8")));
  EXPECT_NO_THROW(prepare(random_image(8, 9), none));

  Preprocess uncropped = raw(8, 8);
  uncropped.resize = ResizeRule::short_side;
  uncropped.resize_to = 8;
  EXPECT_THAT(message_of<InputError>([&] { prepare(random_image(30, 60), uncropped); }), HasSubstr("16x8"));

  Preprocess small = uncropped;
  small.centre_crop = true;
  small.resize_to = 7;
  EXPECT_THAT(message_of<UsageError>([&] { prepare(random_image(30, 60), small); }), HasSubstr("resize.to"));
}

TEST(Prepare, ThinStripsAreRefusedBeforeTheyFillTheMemory) {
  const Preprocess p = Preprocess::preset("imagenet", 224, 224, 3, Layout::nchw);
  EXPECT_THAT(message_of<InputError>([&] { prepare(random_image(1, 60000), p); }), HasSubstr("60000x1"));
  EXPECT_NO_THROW(prepare(random_image(1, 60000), raw(8, 8)));
}

TEST(Prepare, ImagesWithoutPixelsAreRefused) {
  EXPECT_THROW(prepare(Image(), raw(8, 8)), InputError);
  Image floating;
  floating.pixels = at::full({8, 8, 3}, 0.5);
  EXPECT_THROW(prepare(floating, raw(8, 8)), InputError);
}

}  // namespace
}  // namespace vitrail
