// Damaged and hostile image files: decoded or refused with an InputError, and never anything else.

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <zlib.h>

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
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17);  // of the chunk's name and data
  for (size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
  EXPECT_THAT(refusal(png), HasSubstr("65000x65000"));

  Bytes jpeg = file_bytes(pictures() / "baseline.jpg");
  put(jpeg, place_of(jpeg, "\xFF\xC0", 5), {0xFD, 0xE8, 0xFD, 0xE8});
  EXPECT_THAT(refusal(jpeg), HasSubstr("65000x65000"));

  Bytes webp = file_bytes(pictures() / "animated.webp");
  put(webp, place_of(webp, "VP8X", 12), {0xE7, 0xFD, 0, 0xE7, 0xFD, 0});
  EXPECT_THAT(refusal(webp), HasSubstr("65000x65000"));
}

// A megabyte of texts in a PNG unpacks to a gigabyte, of which no pixel needs a byte.
TEST(Bombs, TextsOfPngsAreNotUnpacked) {
  const Bytes valid = file_bytes(pictures() / "rgb.png");
  const std::string text(32 << 20, 'a'), name("zTXtk\0\0", 7);
  std::string packed(compressBound(text.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size());
  const std::string data = name + packed.substr(0, size);
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  std::string chunk;
  const auto big_endian = [&](size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) chunk += static_cast<char>(value >> shift);
  };
  big_endian(data.size() - 4);
  chunk += data;
  big_endian(sum);
  Bytes bomb(valid.begin(), valid.begin() + 33);  // signature and header
  const auto* begin = reinterpret_cast<const std::byte*>(chunk.data());
  for (int i = 0; i < 32; ++i) bomb.insert(bomb.end(), begin, begin + chunk.size());
  bomb.insert(bomb.end(), valid.begin() + 33, valid.end());

  const auto peak_megabytes = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss >> 10;
  };
  const long before = peak_megabytes();
  EXPECT_TRUE(decode_image(bomb, "bomb").pixels.equal(decode_image(valid, "picture").pixels));
  EXPECT_LT(peak_megabytes() - before, 100);
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
