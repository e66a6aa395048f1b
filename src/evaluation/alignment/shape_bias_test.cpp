#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/shape_bias.h>

#include <cmath>
#include <vector>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using Decisions = std::vector<CueConflictDecision>;

/// `count` images with the shape of a cat and the texture of a clock, all called `answer`.
void add(Decisions& decisions, int64_t count, const std::string& answer) {
  for (int64_t i = 0; i < count; ++i) decisions.push_back({std::to_string(decisions.size()), "cat", "clock", answer});
}

TEST(ShapeBias, IsTheShareOfShapeAmongShapeAndTexture) {
  Decisions decisions;
  add(decisions, 3, "cat");
  add(decisions, 9, "clock");
  add(decisions, 5, "dog");
  add(decisions, 1, "na");
  decisions.push_back({"same", "cat", "cat", "cat"});  // no conflict
  const ShapeBias bias = shape_bias(decisions);
  EXPECT_EQ(bias.shape, 3);
  EXPECT_EQ(bias.texture, 9);
  EXPECT_EQ(bias.other, 6);
  EXPECT_EQ(bias.value, 0.25);
  EXPECT_LT(bias.low, 0.25);
  EXPECT_GT(bias.high, 0.25);
}

TEST(ShapeBias, TheIntervalIsThatOfABinomialShare) {
  Decisions decisions;
  add(decisions, 200, "cat");
  add(decisions, 200, "clock");
  const ShapeBias bias = shape_bias(decisions, {.resamples = 4000});
  const double half = 1.96 * std::sqrt(0.25 / 400);
  EXPECT_NEAR(bias.low, 0.5 - half, 0.006);
  EXPECT_NEAR(bias.high, 0.5 + half, 0.006);
  EXPECT_LT(shape_bias(decisions, {.resamples = 4000, .level = 0.5}).high, 0.5 + half / 2);
}

TEST(ShapeBias, AnswersToOneImageAreDrawnTogether) {
  // Ten people who all say the same of each image are no more than one person.
  Decisions one, ten;
  add(one, 12, "cat");
  add(one, 8, "clock");
  for (int person = 0; person < 10; ++person) ten.insert(ten.end(), one.begin(), one.end());
  const ShapeBias of_one = shape_bias(one), of_ten = shape_bias(ten);
  EXPECT_EQ(of_ten.shape, 120);
  EXPECT_EQ(of_ten.low, of_one.low);
  EXPECT_EQ(of_ten.high, of_one.high);
}

TEST(ShapeBias, WithoutADecisionThereIsNone) {
  Decisions decisions;
  add(decisions, 4, "dog");
  EXPECT_TRUE(std::isnan(shape_bias(decisions).value));
  EXPECT_TRUE(std::isnan(shape_bias({}).low));
  EXPECT_THAT(message_of<UsageError>([&] { shape_bias(decisions, {.level = 1}); }), HasSubstr("level 1"));
}

TEST(ErrorConsistency, IsCohensKappa) {
  EXPECT_NEAR(error_consistency(0.68, 0.8, 0.7), (0.68 - 0.62) / (1 - 0.62), 1e-12);  // .1579
  EXPECT_NEAR(error_consistency(0.62, 0.8, 0.7), 0, 1e-12);
  EXPECT_TRUE(std::isnan(error_consistency(1, 1, 1)));
}

TEST(ErrorConsistency, CountsTheImagesThatBothSaw) {
  // Right: a on images 0 to 7, b on 2 to 8 of ten; both right on 6, both wrong on 1.
  Decisions a, b;
  add(a, 8, "cat");
  add(a, 2, "dog");
  add(b, 2, "clock");
  add(b, 7, "cat");
  add(b, 1, "na");
  const double expected = 0.8 * 0.7 + 0.2 * 0.3;
  EXPECT_NEAR(error_consistency(a, b), (0.7 - expected) / (1 - expected), 1e-12);
  EXPECT_NEAR(error_consistency(b, b), 1, 1e-12);
  Decisions more = b;
  add(more, 50, "cat");
  EXPECT_EQ(error_consistency(a, more), error_consistency(a, b));
  EXPECT_TRUE(std::isnan(error_consistency(a, Decisions{})));
  a.push_back(a[0]);
  EXPECT_THAT(message_of<UsageError>([&] { error_consistency(a, b); }), HasSubstr("0 is there twice"));
}

}  // namespace
}  // namespace vitrail
