#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <vitrail/error.h>
#include <vitrail/fixations.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
namespace fs = std::filesystem;

class FixationFile : public ::testing::Test {
 protected:
  ~FixationFile() override { fs::remove(file); }
  Fixations read(const std::string& text) const {
    std::ofstream(file, std::ios::binary) << text;
    return read_fixations(file);
  }
  fs::path file = fs::path(::testing::TempDir()) / ("fixations-" + std::to_string(getpid()) + ".csv");
};

/// Of 80 x 60 pixels, of which the model sees columns 10 to 70 as 6 x 6: 10 photo pixels a value.
PreparedImage photo() { return {at::zeros({1, 3, 6, 6}), {10, 0, 70, 60}, 80, 60}; }

TEST_F(FixationFile, ColumnsAreFoundByTheirNames) {
  const Fixations found = read(
      "viewer,image,fixation,y,x,duration_ms\r\n2,cat.jpg,1,5.5,7,200\r\n1,cat.jpg,1,4,3,100\r\n2,dog.jpg,1,0,0,1\r\n");
  ASSERT_EQ(found.size(), 2u);
  ASSERT_EQ(found.at("cat.jpg").size(), 2u);
  EXPECT_EQ(found.at("cat.jpg")[0].viewer, "2");
  EXPECT_EQ(found.at("cat.jpg")[0].x, 7);
  EXPECT_EQ(found.at("cat.jpg")[0].y, 5.5);
}

TEST_F(FixationFile, WhatIsWrongIsNamed) {
  EXPECT_THAT(message_of<InputError>([&] { read("image,viewer,x\na,1,2\n"); }), HasSubstr("no column \"y\""));
  EXPECT_THAT(message_of<InputError>([&] { read("image,viewer,x,y\na,1,2,3\na,1,2\n"); }),
              HasSubstr("line 3: found 3 fields, expected 4"));
  EXPECT_THAT(message_of<InputError>([&] { read("image,viewer,x,y\na,1,left,3\n"); }),
              HasSubstr("line 2, x: found \"left\""));
  EXPECT_THAT(message_of<InputError>([] { read_fixations("/nowhere.csv"); }), HasSubstr("image,viewer,x,y"));
}

TEST(FixationMaps, AreSumsOfGaussians) {
  const std::vector<Fixation> seen = {
      {.viewer = "b", .x = 25, .y = 35}, {.viewer = "a", .x = 65, .y = 5}, {.viewer = "b", .x = 45, .y = 35}};
  const Tensor maps = fixation_maps(seen, photo(), {.sigma = 10});
  ASSERT_EQ(maps.sizes(), (at::IntArrayRef{2, 6, 6}));
  // Viewer a looked at the centre of row 0, column 5; b at row 3, columns 1 and 3.
  const auto at = [&](int64_t viewer, int64_t row, int64_t column) { return maps[viewer][row][column].item<double>(); };
  EXPECT_NEAR(at(0, 0, 5), 1, 1e-6);
  EXPECT_NEAR(at(0, 1, 4), std::exp(-1.0), 1e-6);
  EXPECT_NEAR(at(1, 3, 1), 1 + std::exp(-2.0), 1e-6);
  EXPECT_NEAR(at(1, 3, 2), 2 * std::exp(-0.5), 1e-6);
  EXPECT_NEAR(at(1, 5, 3), std::exp(-2.0) * (1 + std::exp(-2.0)), 1e-6);
  EXPECT_NEAR(fixation_maps(seen, photo(), {.sigma = 5})[0][1][5].item<double>(), std::exp(-2.0), 1e-6);
}

TEST(FixationMaps, ViewersWhoLookedElsewhereHaveNone) {
  const std::vector<Fixation> seen = {{.viewer = "a", .x = 5, .y = 30}, {.viewer = "b", .x = 40, .y = 30}};
  EXPECT_EQ(fixation_maps(seen, photo()).size(0), 1);
  EXPECT_FALSE(fixation_maps(std::span(seen).first(1), photo()).defined());
  EXPECT_THAT(message_of<UsageError>([&] { fixation_maps(seen, photo(), {.sigma = 0}); }), HasSubstr("sigma 0"));
}

}  // namespace
}  // namespace vitrail
