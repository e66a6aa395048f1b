// Damaged and hostile image files: decoded or refused with an InputError, and never anything else.

#include <gmock/gmock.h>

#include <random>

#include "image/pictures_for_tests.h"
#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using namespace vitrail::testing;
using Bytes = std::vector<std::byte>;

/// False where the file is refused. Any other exception fails the test.
bool survives(const Bytes& bytes) try {
  decode_image(bytes, "damaged");
  return true;
} catch (const InputError&) {
  return false;
}

class Damaged : public ::testing::TestWithParam<std::string> {
 protected:
  Bytes valid_ = file_bytes(pictures() / GetParam());
};

TEST_P(Damaged, EveryPrefixIsRefused) {
  // The end marker of a JPEG may be missing, and so may what follows the pixels of an animation's first frame.
  const size_t whole = valid_.size();
  for (size_t size = 0; size < whole; ++size) {
    const bool decoded = survives(Bytes(valid_.begin(), valid_.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_FALSE(decoded) << size << " of " << whole << " bytes";
  }
}

TEST_P(Damaged, BytesChangedAtRandomDecodeOrAreRefused) {
  std::mt19937 random(7);
  int refused = 0;
  for (int trial = 0; trial < 400; ++trial) {
    Bytes bytes = valid_;
    for (int changes = 1 + trial % 4; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random() % 256);
    refused += !survives(bytes);
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Files, Damaged, ::testing::ValuesIn(encoded_pictures()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

/// The first occurrence of `marker`, moved by `offset`.
size_t place_of(const Bytes& bytes, const std::string& marker, size_t offset) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const size_t at = std::string_view(text, bytes.size()).find(marker);
  EXPECT_NE(at, std::string_view::npos) << marker;
  return at + offset;
}

void put(Bytes& bytes, size_t at, const std::vector<int>& values) {
  for (size_t i = 0; i < values.size(); ++i) bytes.at(at + i) = static_cast<std::byte>(values[i]);
}

std::string refusal(const Bytes& bytes) {
  return message_of<InputError>([&] { decode_image(bytes, "bomb"); });
}

// 65000 = 0xFDE8; WebP stores sizes less one, in 24 bits of an extended header.
TEST(Bombs, AreRefusedByTheirHeader) {
  Bytes png = file_bytes(pictures() / "rgb.png");
  put(png, 16, {0, 0, 0xFD, 0xE8, 0, 0, 0xFD, 0xE8});
  const std::string of_png = refusal(png);
  // libpng may refuse the header for its checksum first.
  EXPECT_TRUE(of_png.find("65000x65000") != std::string::npos || of_png.find("CRC") != std::string::npos) << of_png;

  Bytes jpeg = file_bytes(pictures() / "baseline.jpg");
  put(jpeg, place_of(jpeg, "\xFF\xC0", 5), {0xFD, 0xE8, 0xFD, 0xE8});
  EXPECT_THAT(refusal(jpeg), HasSubstr("65000x65000"));

  // Extended headers of WebP go to 2^24, and libwebp itself refuses more than 2^32 pixels: 16000 x 16000 is within.
  Bytes webp = file_bytes(pictures() / "animated.webp");
  put(webp, place_of(webp, "VP8X", 12), {0x7F, 0x3E, 0, 0x7F, 0x3E, 0});
  EXPECT_THAT(refusal(webp), HasSubstr("16000x16000"));
}

TEST(Bombs, JpegsOfThousandsOfScansAreRefused) {
  const Bytes file = file_bytes(pictures() / "progressive.jpg");
  // The last scan, from its marker to the end of the image, once more and again.
  size_t last = 0;
  for (size_t i = 0; i + 1 < file.size(); ++i)
    if (file[i] == std::byte{0xFF} && file[i + 1] == std::byte{0xDA}) last = i;
  ASSERT_GT(last, 0u);
  Bytes bomb(file.begin(), file.begin() + static_cast<ptrdiff_t>(last));
  for (int i = 0; i < 2000; ++i) bomb.insert(bomb.end(), file.begin() + static_cast<ptrdiff_t>(last), file.end() - 2);
  bomb.insert(bomb.end(), file.end() - 2, file.end());
  EXPECT_THAT(refusal(bomb), HasSubstr("scans"));
}

TEST(Exif, ThatIsDamagedMeansUpright) {
  const Bytes valid = file_bytes(pictures() / "orientation6.jpg");
  const size_t begin = place_of(valid, "Exif", 6), end = begin + 26;
  std::mt19937 random(3);
  for (int trial = 0; trial < 2000; ++trial) {
    Bytes bytes = valid;
    bytes[begin + random() % (end - begin)] = static_cast<std::byte>(random() % 256);
    const Image image = decode_image(bytes, "photo");
    EXPECT_GE(image.exif_orientation, 1);
    EXPECT_LE(image.exif_orientation, 8);
  }
}

}  // namespace
}  // namespace vitrail
