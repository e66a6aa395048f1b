#include "attribution/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace vitrail {
namespace {

/// Words 0 to 3 of the published output, as the two places of a block.
uint64_t pair(uint32_t low, uint32_t high) { return low | static_cast<uint64_t>(high) << 32; }

TEST(Random, IsPhilox4x32With10Rounds) {
  // Known answers published with the generator: counter 0, key 0.
  const Random zero(0, RandomStream{0}, 0);
  EXPECT_EQ(zero.at(0), pair(0x6627e8d5, 0xe169c58d));
  EXPECT_EQ(zero.at(1), pair(0xbc57ac4c, 0x9b00dbd8));
  // Counter 243f6a88 85a308d3 13198a2e 03707344 (digits of pi), key a4093822 299f31d0. The highest byte of the
  // second counter word is the stream.
  const uint64_t place = pair(0x243f6a88, 0x85a308d3) & 0x00ffffffffffffff;
  const Random digits_of_pi(pair(0xa4093822, 0x299f31d0), RandomStream{0x85}, pair(0x13198a2e, 0x03707344));
  EXPECT_EQ(digits_of_pi.at(2 * place), pair(0xd16cfe09, 0x94fdcceb));
  EXPECT_EQ(digits_of_pi.at(2 * place + 1), pair(0x5001e420, 0x24126ea1));
}

TEST(Random, WalkingReadsThePlacesInOrder) {
  Random walking(7, RandomStream::noise, 3);
  const Random reading(7, RandomStream::noise, 3);
  for (uint64_t place = 0; place < 9; ++place) EXPECT_EQ(walking.uniform(), reading.uniform_at(place));
}

TEST(Random, FloatsAreTheHighBitsOfTheWordsInOrder) {
  Random random(7, RandomStream::noise, 3);
  random.uniform();
  std::vector<float> values(5);
  random.fill_uniform(values);
  const Random places(7, RandomStream::noise, 3);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t word = places.at(2 + i / 2) >> (i % 2 == 0 ? 0 : 32) & 0xffffffff;
    EXPECT_EQ(values[i], std::ldexp(static_cast<float>(word >> 8), -24)) << i;
  }
  EXPECT_EQ(random.uniform(), places.uniform_at(5));
}

TEST(Random, SeedStreamIndexAndPlaceAllMatter) {
  const std::set<uint64_t> numbers = {Random(1, RandomStream::noise, 0).at(0), Random(2, RandomStream::noise, 0).at(0),
                                      Random(1, RandomStream::rise, 0).at(0),  Random(1, RandomStream::noise, 1).at(0),
                                      Random(1, RandomStream::noise, 0).at(1), Random(1, RandomStream::noise, 0).at(2)};
  EXPECT_EQ(numbers.size(), 6u);
}

TEST(Random, UniformsFillTheUnitInterval) {
  Random random(1, RandomStream::design, 0);
  constexpr int n = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1. / 12 / n));  // five standard errors
  EXPECT_NEAR(squares / n, 1. / 3, 5 * std::sqrt(4. / 45 / n));
}

TEST(Random, NormalsAreBoxAndMullersOfThePlacesInOrder) {
  std::vector<float> values(7);
  Random random(5, RandomStream::noise, 3);
  random.fill_normal(values);
  const Random places(5, RandomStream::noise, 3);
  for (size_t i = 0; i < values.size(); ++i) {
    const double u = places.uniform_at(i / 2 * 2), v = places.uniform_at(i / 2 * 2 + 1);
    const double radius = std::sqrt(-2 * std::log1p(-u)), angle = 2 * std::acos(-1.) * v;
    EXPECT_NEAR(values[i], radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)), 1e-5) << i;
  }
  EXPECT_EQ(random.uniform(), places.uniform_at(8));
}

TEST(Random, NormalsHaveTheMomentsOfANormal) {
  std::vector<float> values(100001);  // odd: the last pair is half used
  Random(5, RandomStream::noise, 0).fill_normal(values);
  double sum = 0, squares = 0, fourth = 0, neighbours = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double z = values[i];
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    if (i > 0) neighbours += z * static_cast<double>(values[i - 1]);
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(neighbours / n, 0, 5 / std::sqrt(n));
}

}  // namespace
}  // namespace vitrail
