#include <ATen/ops/arange.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "base/sha256.h"
#include "image/pictures_for_tests.h"
#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace vitrail::testing;
namespace fs = std::filesystem;

class Picture : public ::testing::TestWithParam<std::string> {};

// PNG and lossless WebP to the bit. Versions of the decoders of JPEG and lossy WebP may round a few values differently.
TEST_P(Picture, DecodesToThePixelsItStandsFor) {
  const std::string& name = GetParam();
  DecodeOptions options;
  options.apply_exif_orientation = true;
  const Image image = read_image(pictures() / name, options);
  const bool lossy = name.ends_with(".jpg") || name.starts_with("lossy");
  const Tensor expected = read_ppm(pictures() / (name + ".ppm"));
  ASSERT_LE(levels_apart(image.pixels, expected), lossy ? 1 : 0);
  EXPECT_GE(image.pixels.eq(expected).to(at::kFloat).mean().item<double>(), 0.95);
  EXPECT_EQ(image.pixels.scalar_type(), at::kByte);
  EXPECT_TRUE(image.pixels.is_contiguous());
  EXPECT_EQ(image.path, (pictures() / name).string());
  EXPECT_EQ(image.sha256, sha256_hex(file_bytes(pictures() / name)));
}

INSTANTIATE_TEST_SUITE_P(Files, Picture, ::testing::ValuesIn(encoded_pictures()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(Orientation, IsAlwaysReportedAndAppliedOnRequest) {
  for (const std::string kind : {"jpg", "png", "webp"}) {
    const Image image = read_image(pictures() / ("orientation6." + kind));
    EXPECT_EQ(image.exif_orientation, 6) << kind;
    EXPECT_EQ(image.width(), 24) << kind;
  }
  EXPECT_EQ(read_image(pictures() / "orientation6_named.webp").exif_orientation, 6);
  EXPECT_EQ(read_image(pictures() / "orientation8_filled.jpg").exif_orientation, 8);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string name = "orientation" + std::to_string(orientation) + ".jpg";
    EXPECT_EQ(read_image(pictures() / name).exif_orientation, orientation);
  }
  EXPECT_EQ(read_image(pictures() / "baseline.jpg").exif_orientation, 1);
}

TEST(Format, IsToldByTheFirstBytesNotByTheName) {
  const auto bytes = file_bytes(pictures() / "rgb.png");
  EXPECT_EQ(levels_apart(decode_image(bytes, "photo.jpg").pixels, read_ppm(pictures() / "rgb.png.ppm")), 0);
}

TEST(EncodePng, ComesBackToTheBit) {
  const Tensor pixels = read_ppm(pictures() / "noise.ppm");
  EXPECT_EQ(levels_apart(decode_image(encode_png(pixels), "noise").pixels, pixels), 0);
  const Tensor turned = pixels.transpose(0, 1);  // not contiguous
  EXPECT_EQ(levels_apart(decode_image(encode_png(turned), "noise").pixels, turned), 0);
}

TEST(EncodePng, RefusesOtherShapesAndTypes) {
  EXPECT_THROW(encode_png(at::empty({4, 4}, at::kByte)), UsageError);
  EXPECT_THROW(encode_png(at::empty({4, 4, 4}, at::kByte)), UsageError);
  EXPECT_THROW(encode_png(at::empty({4, 4, 3}, at::kFloat)), UsageError);
  EXPECT_THROW(encode_png(at::empty({0, 4, 3}, at::kByte)), UsageError);
  EXPECT_THROW(encode_png(Tensor()), UsageError);
}

TEST(EncodeJpeg, IsDecodedToNearlyTheSamePixels) {
  const Tensor ramp = at::arange(30 * 20, at::kFloat).mul(255.0 / 599).to(at::kByte).view({30, 20, 1});
  const Tensor grey = ramp.expand({30, 20, 3}).contiguous();
  EXPECT_LE(levels_apart(decode_image(encode_jpeg(ramp, 100), "ramp").pixels, grey), 1);
  EXPECT_LE(levels_apart(decode_image(encode_jpeg(grey, 100), "ramp").pixels, grey), 2);
  EXPECT_LT(encode_jpeg(grey, 50).size(), encode_jpeg(grey, 100).size());
}

TEST(EncodeJpeg, HasRoomForNoise) {
  const Tensor noise = at::randint(256, {61, 83, 3}, at::kByte);
  EXPECT_EQ(decode_image(encode_jpeg(noise, 100), "noise").pixels.sizes(), noise.sizes());
}

TEST(EncodeJpeg, RefusesOtherShapesAndTypes) {
  EXPECT_THROW(encode_jpeg(at::empty({4, 4, 4}, at::kByte), 90), UsageError);
  EXPECT_THROW(encode_jpeg(at::empty({4, 4, 3}, at::kFloat), 90), UsageError);
  EXPECT_THROW(encode_jpeg(at::empty({0, 4, 3}, at::kByte), 90), UsageError);
  EXPECT_THROW(encode_jpeg(at::empty({4, 4, 3}, at::kByte), 0), UsageError);
  EXPECT_THROW(encode_jpeg(Tensor(), 90), UsageError);
}

std::string refusal(const fs::path& path, const DecodeOptions& options = {}) {
  return message_of<InputError>([&] { read_image(path, options); });
}

std::string refusal_of_bytes(const std::string& text, const DecodeOptions& options = {}) {
  return message_of<InputError>([&] { decode_image(std::as_bytes(std::span(text)), "cat.jpg", options); });
}

TEST(BadImages, SayWhatTheyAreAndWhatWasExpected) {
  EXPECT_THAT(refusal_of_bytes(""), AllOf(HasSubstr("cat.jpg"), HasSubstr("empty"), HasSubstr("JPEG, PNG or WebP")));
  EXPECT_THAT(refusal_of_bytes("%PDF-1.7"),
              AllOf(HasSubstr("25 50 44 46"), HasSubstr("JPEG, PNG or WebP"), HasSubstr("Convert")));
  EXPECT_THAT(refusal_of_bytes("GIF89a"), HasSubstr("47 49 46 38"));
  EXPECT_THAT(refusal(pictures() / "none.png"), HasSubstr("no file"));
  EXPECT_THAT(refusal(pictures()), HasSubstr("not a file"));
}

TEST(BadImages, ThatMayNotBeReadSaySo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const fs::path path = fs::temp_directory_path() / ("vitrail_unreadable_" + std::to_string(getpid()) + ".png");
  fs::copy_file(pictures() / "rgb.png", path);
  fs::permissions(path, fs::perms::none);
  EXPECT_THAT(refusal(path), HasSubstr("permission"));
  fs::remove(path);
}

TEST(Limits, HoldForBytesAndPixels) {
  DecodeOptions few_bytes, few_pixels;
  few_bytes.max_bytes = 100;
  few_pixels.max_pixels = 24 * 16 - 1;
  EXPECT_THAT(refusal(pictures() / "rgb.png", few_bytes), HasSubstr("at most"));
  for (const std::string& name : encoded_pictures())
    EXPECT_THAT(refusal(pictures() / name, few_pixels), AllOf(HasSubstr("24"), HasSubstr("16"), HasSubstr("pixels")));
  few_pixels.max_pixels = 24 * 16;
  EXPECT_NO_THROW(read_image(pictures() / "rgb.png", few_pixels));
}

}  // namespace
}  // namespace vitrail
