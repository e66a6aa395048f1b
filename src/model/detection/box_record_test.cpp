#include "model/detection/box_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

ValueInfo value(const std::string& name, const std::vector<int64_t>& sizes) {
  ValueInfo info{name, "float32", {{0, 1}}};
  for (const int64_t size : sizes) info.shape.push_back({size, 0});
  return info;
}

std::string recognised(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width) {
  const auto record = recognise_boxes(outputs, height, width);
  return record ? to_string(record->layout) : "nothing";
}

TEST(BoxRecord, OutputsThatCanBeNothingElse) {
  EXPECT_EQ(recognised({value("o", {25200, 85})}, 640, 640), "yolov5");
  EXPECT_EQ(recognised({value("o", {25200, 85}), value("a", {3, 80, 80, 85}), value("b", {3, 40, 40, 85})}, 640, 640),
            "yolov5");
  EXPECT_EQ(recognised({value("o", {84, 8400})}, 640, 640), "yolov8");
  EXPECT_EQ(recognised({value("o", {5, 2100})}, 320, 320), "yolov8");
  EXPECT_EQ(recognised({value("s1", {512, 1}), value("s2", {384, 1}), value("b1", {512, 16}), value("b2", {384, 16})},
                       128, 128),
            "blazeface");
  EXPECT_EQ(recognised({value("b", {896, 16}), value("s", {896, 1})}, 256, 256), "blazeface");
}

TEST(BoxRecord, DistancesOfFourStrides) {
  const auto record = recognise_boxes(
      {value("s8", {7600, 10}), value("s16", {1900, 10}), value("s32", {475, 10}), value("s64", {130, 10}),
       value("d8", {7600, 32}), value("d16", {1900, 32}), value("d32", {475, 32}), value("d64", {130, 32})},
      800, 608);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->layout, BoxLayout::distances);
  EXPECT_THAT(record->strides, ElementsAre(8, 16, 32, 64));
  EXPECT_THAT(record->scores, ElementsAre("s8", "s16", "s32", "s64"));
  EXPECT_THAT(record->boxes, ElementsAre("d8", "d16", "d32", "d64"));
}

TEST(BoxRecord, NothingIsGuessed) {
  EXPECT_EQ(recognised({value("o", {1000})}, 224, 224), "nothing");
  EXPECT_EQ(recognised({value("o", {8400, 85})}, 640, 640), "nothing") << "decoded or not?";
  EXPECT_EQ(recognised({value("o", {84, 8400})}, 320, 320), "nothing") << "another size";
  EXPECT_EQ(recognised({value("o", {116, 8400}), value("masks", {32, 160, 160})}, 640, 640), "nothing");
  EXPECT_EQ(recognised({value("b", {100, 4}), value("s", {100, 21})}, 300, 300), "nothing") << "which format?";
}

BoxRecord read(const std::string& json, const std::vector<ValueInfo>& outputs) {
  return read_box_record(nlohmann::json::parse(json), "m.json", outputs, 300, 300);
}

const std::vector<ValueInfo> kSsd = {value("scores", {100, 21}), value("boxes", {100, 4})};

TEST(BoxRecord, ReadsWhatIsSaid) {
  const BoxRecord record = read(R"({"layout": "ssd", "format": "yxyx", "unit": "input", "activation": "softmax",
    "background": 0, "variances": [0.2, 0.3], "priors": [0.5, 0.5, 1, 1], "classes": 5, "score_threshold": 0.5,
    "overlap_threshold": 0.6})",
                                kSsd);
  EXPECT_EQ(record.layout, BoxLayout::ssd);
  EXPECT_EQ(record.format, BoxFormat::yxyx);
  EXPECT_TRUE(record.unit);
  EXPECT_EQ(record.activation, Activation::softmax);
  EXPECT_EQ(record.background, 0);
  EXPECT_EQ(record.classes, 5);
  EXPECT_THAT(record.variances, ElementsAre(.2, .3));
  EXPECT_THAT(record.priors, ElementsAre(.5, .5, 1, 1));
  EXPECT_EQ(record.suppression.score_threshold, .5);
  EXPECT_EQ(record.suppression.overlap_threshold, .6);
  EXPECT_THAT(record.boxes, ElementsAre("boxes")) << "found by its four numbers";
  EXPECT_THAT(record.scores, ElementsAre("scores"));
}

TEST(BoxRecord, RefusalsNameTheKey) {
  const auto refusal = [](const std::string& json, const std::vector<ValueInfo>& outputs) {
    return message_of<UsageError>([&] { read(json, outputs); });
  };
  EXPECT_THAT(refusal(R"({})", kSsd), HasSubstr("output.boxes.layout is missing"));
  EXPECT_THAT(refusal(R"({"layout": "yolo"})", kSsd), HasSubstr("yolov8"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "format": "corners"})", kSsd), HasSubstr("cxcywh, xyxy"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "boxes": "box", "scores": "scores"})", kSsd), HasSubstr("boxes"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "priors": [1, 2]})", kSsd), HasSubstr("four numbers a box"));
  EXPECT_THAT(refusal(R"({"layout": "yolov5_heads", "boxes": ["a"], "strides": [8, 16]})", {value("a", {24, 3, 3})}),
              HasSubstr("strides"));
  EXPECT_THAT(refusal(R"({"layout": "yolov5_heads", "strides": [8]})", {value("a", {24, 3, 3})}), HasSubstr("anchors"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "background": -2})", kSsd), HasSubstr("whole number"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "score_threshold": 25})", kSsd), HasSubstr("from 0 to 1"));
  EXPECT_THAT(refusal(R"({"layout": "ssd", "strides": []})", kSsd), HasSubstr("from 1 to 16"));
  EXPECT_THAT(refusal(R"({"layout": "distances"})", kSsd), HasSubstr("names of the outputs"));
}

}  // namespace
}  // namespace vitrail
