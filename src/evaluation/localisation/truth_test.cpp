#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/image.h>
#include <vitrail/truth.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "model/segmentation/zones.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

/// A folder of files that is gone after the test.
class Truth : public ::testing::Test {
 protected:
  Truth() { fs::create_directories(folder_); }
  ~Truth() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  fs::path write(const std::string& name, const Tensor& pixels) const {
    const std::vector<std::byte> bytes = encode_png(pixels);
    return write(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

 private:
  fs::path folder_ = fs::path(::testing::TempDir()) /
                     ("truth_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

/// A photo of 12 x 8 pixels of which the model sees columns 2 to 10, at half its size: 4 x 4.
PreparedImage photo() {
  Preprocess preprocess;
  preprocess.height = preprocess.width = preprocess.resize_to = 4;
  Image image;
  image.pixels = at::zeros({8, 12, 3}, at::kByte);
  return prepare(image, preprocess);
}

Tensor rows_and_columns(int64_t y0, int64_t y1, int64_t x0, int64_t x1) {
  Tensor region = at::zeros({4, 4}, at::kBool);
  region.narrow(0, y0, y1 - y0).narrow(1, x0, x1 - x0).fill_(true);
  return region;
}

TruthBox box(double x0, double y0, double x1, double y1) { return {.box = {x0, y0, x1, y1}}; }

TEST_F(Truth, BoxesArePlacedAsTheModelSeesThePhoto) {
  EXPECT_TRUE(truth_of(std::vector{box(4, 2, 8, 8)}, photo()).equal(rows_and_columns(1, 4, 1, 3)));
  // The centre of the second column of the input is column 5 of the photo.
  EXPECT_TRUE(truth_of(std::vector{box(5, 0, 7, 2)}, photo()).equal(rows_and_columns(0, 1, 1, 2)));
  EXPECT_TRUE(truth_of(std::vector{box(5.1, 0, 7, 2)}, photo()).equal(rows_and_columns(0, 0, 0, 0)));
  // All that the model sees, and a box beside it.
  EXPECT_TRUE(truth_of(std::vector{box(0, 0, 12, 8)}, photo()).all().item<bool>());
  EXPECT_FALSE(truth_of(std::vector{box(0, 0, 2, 8)}, photo()).any().item<bool>());
}

TEST_F(Truth, SeveralBoxesAreUnited) {
  const Tensor both = truth_of(std::vector{box(2, 0, 6, 4), box(4, 2, 8, 6)}, photo());
  EXPECT_TRUE(both.equal(rows_and_columns(0, 2, 0, 2).logical_or(rows_and_columns(1, 3, 1, 3))));
  EXPECT_FALSE(truth_of({}, photo()).any().item<bool>());
}

TEST_F(Truth, APictureOfABoxIsTheBox) {
  for (const TruthBox& one : {box(4, 2, 8, 8), box(5, 1, 9, 5), box(0, 0, 3, 8)}) {
    Tensor pixels = at::zeros({8, 12, 3}, at::kByte);
    const auto at = [](double place) { return static_cast<int64_t>(place); };
    pixels.narrow(0, at(one.box.y0), at(one.box.y1 - one.box.y0))
        .narrow(1, at(one.box.x0), at(one.box.x1 - one.box.x0))
        .select(2, 1)
        .fill_(128);
    EXPECT_TRUE(read_truth(write("mask.png", pixels), photo()).equal(truth_of(std::vector{one}, photo())));
  }
  EXPECT_FALSE(read_truth(write("dark.png", at::full({8, 12, 3}, 127, at::kByte)), photo()).any().item<bool>());
}

TEST_F(Truth, RefusesWhatIsNotOfThePhoto) {
  EXPECT_THAT(message_of<InputError>([&] { read_truth(write("m.png", at::zeros({8, 13, 3}, at::kByte)), photo()); }),
              HasSubstr("13x8 pixels, the photo 12x8"));
  EXPECT_THAT(message_of<InputError>([&] { truth_of(std::vector{box(4, 2, 4, 8)}, photo()); }),
              HasSubstr("the box 4,2,4,8"));
  EXPECT_THAT(message_of<InputError>([&] { truth_of(std::vector{box(4, 2, 13.5, 8)}, photo()); }),
              HasSubstr("photo of 12x8"));
  EXPECT_TRUE(truth_of(std::vector{box(-1, -1, 13, 9)}, photo()).all().item<bool>());
}

TEST_F(Truth, ReadsLines) {
  const TruthBoxes boxes = read_truth_boxes(
      write("boxes.csv", "image,x0,y0,x1,y1,label\r\na.jpg,1,2.5,3,4,a dog, brown\r\nb.jpg,0,0,1,1\n\na.jpg,5,6,7,8"));
  ASSERT_EQ(boxes.size(), 2u);
  ASSERT_EQ(boxes.at("a.jpg").size(), 2u);
  EXPECT_EQ(boxes.at("a.jpg")[0].label, "a dog, brown");
  EXPECT_EQ(boxes.at("a.jpg")[0].box.y0, 2.5);
  EXPECT_EQ(boxes.at("a.jpg")[1].box.x1, 7);
  EXPECT_EQ(boxes.at("b.jpg")[0].label, "");
  EXPECT_THAT(message_of<InputError>([&] { read_truth_boxes(write("few.csv", "a.jpg,1,2,3,4\nb.jpg,1,2,3")); }),
              HasSubstr("line 2: found \"b.jpg,1,2,3\""));
  EXPECT_THAT(message_of<InputError>([&] { read_truth_boxes(write("word.csv", "a.jpg,1,2,three,4")); }),
              HasSubstr("line 1"));
  EXPECT_THAT(message_of<InputError>([&] { read_truth_boxes("/no/such.csv"); }), HasSubstr("/no/such.csv"));
}

TEST_F(Truth, ReadsCoco) {
  const TruthBoxes boxes = read_truth_boxes(write("coco.json", R"({
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
    "categories": [{"id": 3, "name": "dog"}],
    "annotations": [{"image_id": 7, "bbox": [1, 2, 10, 20], "category_id": 3}, {"image_id": 7, "bbox": [0, 0, 1, 1]}]
  })"));
  ASSERT_EQ(boxes.size(), 1u);
  const Rectangle& first = boxes.at("a.jpg")[0].box;
  EXPECT_THAT((std::vector{first.x0, first.y0, first.x1, first.y1}), ElementsAre(1, 2, 11, 22));
  EXPECT_EQ(boxes.at("a.jpg")[0].label, "dog");
  EXPECT_EQ(boxes.at("a.jpg").size(), 2u);
  EXPECT_THAT(
      message_of<InputError>([&] {
        read_truth_boxes(write("no.json", R"({"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]})"));
      }),
      HasSubstr("image_id 1"));
  EXPECT_THAT(message_of<InputError>([&] { read_truth_boxes(write("list.json", "[]")); }),
              HasSubstr("no COCO annotation"));
}

TEST_F(Truth, IsWhereTheTargetItselfIs) {
  const PreparedImage prepared = photo();
  Target target{.string = "box:1", .boxes = {{4, 2, 8, 6}}};
  EXPECT_TRUE(truth_of_target(target, prepared).equal(truth_of(std::vector{box(4, 2, 8, 6)}, prepared)));
  // A detector's box may leave the photo: what is in it counts.
  target.boxes = {{-5, -5, 4, 40}, {8, 6, 30, 30}};
  const Tensor both = rows_and_columns(0, 4, 0, 1).logical_or(rows_and_columns(3, 4, 3, 4));
  EXPECT_TRUE(truth_of_target(target, prepared).equal(both));
  // Cells of an output of 2 x 2, one of them counted negatively.
  target = {.string = "mask:m.png",
            .function = std::make_shared<ZoneTarget>(at::tensor({0.0f, 0.5f, -1.0f, 0.0f}).view({2, 2}), 0)};
  EXPECT_TRUE(truth_of_target(target, prepared).equal(rows_and_columns(0, 2, 2, 4)));
  EXPECT_THAT(message_of<UsageError>([&] { truth_of_target(Target{.string = "top1", .index = 3}, prepared); }),
              HasSubstr("'top1' has no place"));
}

}  // namespace
}  // namespace vitrail
