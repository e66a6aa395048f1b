#include "image/overlay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "image/colormap.h"
#include "image/draw.h"

namespace vitrail {
namespace {

/// Luminance of colours [...,3].
Tensor brightness(const Tensor& rgb) { return at::matmul(rgb.to(at::kFloat), at::tensor({0.299f, 0.587f, 0.114f})); }

TEST(Colours, GetBrighterWithTheValue) {
  const Tensor light = brightness(colours(at::linspace(0, 1, 256), ColourScale::sequential));
  EXPECT_GT(light.diff().min().item<double>(), -0.5);
  EXPECT_GT((light[255] - light[0]).item<double>(), 200);
}

TEST(Colours, OfSignedMapsAreLightestAtZeroAndDifferentBelowAndAbove) {
  const Tensor rgb = colours(at::linspace(0, 1, 255), ColourScale::diverging), light = brightness(rgb);
  EXPECT_NEAR(light.argmax().item<double>(), 127, 8);
  EXPECT_GT((rgb[0][2] - rgb[0][0]).item<double>(), 50) << "blue below zero";
  EXPECT_GT((rgb[254][0] - rgb[254][2]).item<double>(), 50) << "red above";
}

TEST(Colours, ClampAndTakeNaNForTheLowEnd) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor rgb = colours(at::tensor({-3.0, 0.0, nan, 7.0, 1.0}), ColourScale::sequential);
  EXPECT_TRUE(rgb[0].equal(rgb[1]) && rgb[2].equal(rgb[1]) && rgb[3].equal(rgb[4]));
}

class OverlayTest : public ::testing::Test {
 protected:
  static constexpr int64_t margin = 16, side = 320;  // of the picture, and of the photo in it

  static Image grey_photo() {
    Image photo;
    photo.pixels = at::full({100, 100, 3}, 128, at::kByte);
    return photo;
  }

  /// The photo's part of the overlay.
  static Tensor draw(const Tensor& map, bool is_signed, Rectangle placed = {0, 0, 100, 100},
                     double opacity = OverlayOptions().opacity) {
    OverlayOptions options;
    options.long_side = side;
    options.opacity = opacity;
    const Tensor picture = render_overlay(grey_photo(), placed, map, is_signed, "title", "caption", "logit", options);
    EXPECT_EQ(picture.scalar_type(), at::kByte);
    return picture.narrow(0, margin, side).narrow(1, margin, side).to(at::kFloat);
  }

  static Tensor at_share(const Tensor& picture, double x, double y) {
    return picture[static_cast<int64_t>(y * side)][static_cast<int64_t>(x * side)];
  }
};

TEST_F(OverlayTest, AHotSpotLiesWhereTheModelLooked) {
  Tensor map = at::zeros({10, 10});
  map[2][7] = 1;
  const Tensor whole = draw(map, false);
  EXPECT_GT((at_share(whole, 0.75, 0.25) - at_share(whole, 0.25, 0.75)).abs().max().item<double>(), 80);
  // Of a crop in the middle: the same cell, half as far from the centre; what was cut off is darker.
  const Tensor crop = draw(map, false, {25, 25, 75, 75});
  EXPECT_GT((at_share(crop, 0.625, 0.375) - at_share(crop, 0.375, 0.625)).abs().max().item<double>(), 80);
  EXPECT_NEAR(at_share(crop, 0.1, 0.1).max().item<double>(), 64, 1);
}

TEST_F(OverlayTest, SignedMapsAreRedAboveBlueBelowAndThePhotoAtZero) {
  Tensor map = at::zeros({2, 3});
  map.select(1, 0).fill_(-2);
  map.select(1, 2).fill_(1);
  const Tensor picture = draw(map, true);
  const Tensor below = at_share(picture, 0.05, 0.5), zero = at_share(picture, 0.5, 0.5),
               above = at_share(picture, 0.95, 0.5);
  EXPECT_GT((below[2] - below[0]).item<double>(), 40);
  EXPECT_GT((above[0] - above[2]).item<double>(), 20);
  EXPECT_LT((zero.max() - zero.min()).item<double>(), 12);
  // The scale is symmetric: 1 of 2 is weaker than -2 of 2.
  EXPECT_GT((below - 128).abs().max().item<double>(), (above - 128).abs().max().item<double>());
}

TEST_F(OverlayTest, ZeroIsTheMiddleOfASignedScaleWhicheverEndIsStronger) {
  for (const Tensor& row : {at::tensor({-2.0f, 0.0f, 1.0f}), at::tensor({-1.0f, 0.0f, 2.0f})}) {
    const Tensor zero = at_share(draw(row.expand({3, 3}), true), 0.5, 0.5);
    EXPECT_LT((zero - 128).abs().max().item<double>(), 12) << row;
  }
}

TEST_F(OverlayTest, TheStrongestValuesHaveTheLastColours) {
  const Tensor ends = at::tensor({0.0f, 1.0f});
  // Five columns, so that the middle of each end column lies beyond the reach of the interpolation.
  const Rectangle whole = {0, 0, 100, 100};
  const Tensor unsigned_map = at::tensor({0.0f, 0.0f, 1.0f, 3.0f, 3.0f}).expand({5, 5});
  EXPECT_TRUE(
      at_share(draw(unsigned_map, false, whole, 1), 0.99, 0.5).equal(colours(ends, ColourScale::sequential)[1]));
  EXPECT_EQ((at_share(draw(unsigned_map, false, whole, 1), 0.01, 0.5) - 128).abs().max().item<double>(), 0);
  const Tensor signed_map = at::tensor({-3.0f, -3.0f, 0.0f, 3.0f, 3.0f}).expand({5, 5});
  for (int end : {0, 1})
    EXPECT_TRUE(at_share(draw(signed_map, true, whole, 1), end ? 0.99 : 0.01, 0.5)
                    .equal(colours(ends, ColourScale::diverging)[end]));
}

TEST_F(OverlayTest, AConstantMapIsThePhotoItself) {
  for (double value : {0.0, 3.0, -3.0})
    for (bool is_signed : {false, true})
      EXPECT_EQ((draw(at::full({4, 4}, value), is_signed) - 128).abs().max().item<double>(), 0) << value;
}

TEST_F(OverlayTest, ValuesThatAreNoNumbersAreDrawnAsZero) {
  Tensor map = at::zeros({4, 4});
  map[0][0] = 1;
  Tensor broken = map.clone();
  broken[3][3] = std::numeric_limits<float>::quiet_NaN();
  broken[3][0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(draw(broken, false).equal(draw(map, false)));
}

TEST_F(OverlayTest, AnyProportionsWork) {
  Image strip;
  strip.pixels = at::zeros({1, 3000, 3}, at::kByte);
  EXPECT_GT(render_overlay(strip, {0, 0, 3000, 1}, at::zeros({7, 7}), true, "t", "c", "u").numel(), 0);
}

TEST(Draw, StaysOnTheCanvas) {
  const Tensor canvas = make_canvas(10, 20, {1, 2, 3});
  fill(canvas, -5, 8, 10, 10, {9, 9, 9});
  EXPECT_EQ(canvas.eq(9).sum().item<int64_t>(), 5 * 2 * 3);
  const Font font(13);
  ASSERT_TRUE(font.available()) << "fonts-dejavu-core is part of the set-up";
  font.write(canvas, -3, 5, "clipped everywhere", {200, 200, 200});
  font.write(canvas, 15, 30, "below", {200, 200, 200});
  EXPECT_GT(canvas.gt(50).sum().item<int64_t>(), 0);
}

TEST(Font, ShortensToWhatFits) {
  const Font font(13);
  const std::string text = "K\u00e4tzchen, a long name of a photo";
  EXPECT_EQ(font.shorten(text, font.width(text)), text);
  const std::string shorter = font.shorten(text, font.width(text) / 2);
  EXPECT_LE(font.width(shorter), font.width(text) / 2);
  EXPECT_TRUE(shorter.ends_with("\u2026")) << shorter;
  EXPECT_GT(shorter.size(), 5u);
}

TEST(Font, ShortensTheLongestTextInOnePass) {
  const Font font(13);
  const std::string shorter = font.shorten(std::string(1'000'000, 'a'), 600);
  EXPECT_LE(font.width(shorter), 600);
  EXPECT_GT(font.width(shorter), 580);
  EXPECT_EQ(font.shorten("long", 1), "\u2026");
}

// Names of files may be in any encoding.
TEST(Font, ReadsWhatIsNoUtf8AsQuestionMarks) {
  const Font font(13);
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"K\xE4tzchen", "K?tzchen"},  // Latin-1
      {"\xC3(", "?("},
      {"a\x80z", "a?z"},
      {"end\xE2\x80", "end??"},
  };
  for (const auto& [broken, read] : rows) EXPECT_EQ(font.width(broken), font.width(read)) << read;
  EXPECT_NE(font.width("K\u00e4t"), font.width("K??t"));
}

// A bitmap font has one bit a pixel, where drawing expects a byte.
TEST(Font, OfBitmapsIsNotUsed) {
  const auto path = std::filesystem::temp_directory_path() / ("vitrail_" + std::to_string(getpid()) + ".bdf");
  std::ofstream(path)
      << "STARTFONT 2.1\nFONT f\nSIZE 13 72 72\nFONTBOUNDINGBOX 9 13 0 0\nSTARTPROPERTIES 3\n"
         "FONT_ASCENT 13\nFONT_DESCENT 0\nPIXEL_SIZE 13\nENDPROPERTIES\nCHARS 1\nSTARTCHAR A\nENCODING 65\n"
         "SWIDTH 500 0\nDWIDTH 9 0\nBBX 9 2 0 0\nBITMAP\nFF80\nFF80\nENDCHAR\nENDFONT\n";
  setenv("VITRAIL_FONT", path.c_str(), 1);
  EXPECT_FALSE(Font(13).available());
  unsetenv("VITRAIL_FONT");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace vitrail
