#include "vitrail/target.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

const std::vector<std::string> kLabels = {"tench, Tinca tinca", "crane (bird)", "tiger_cat", "Egyptian cat",
                                          "crane, machine"};

Tensor logits() { return at::tensor({0.1f, 3.0f, 2.0f, -1.0f, 0.5f}); }

std::vector<Target> resolve(std::vector<std::string> strings) { return resolve_targets(strings, logits(), kLabels); }

std::string refusal(const std::string& string) {
  try {
    resolve({string});
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Target, TopFollowsThePrediction) {
  auto targets = resolve({"top1", "top3"});
  ASSERT_EQ(targets.size(), 4u);
  EXPECT_EQ(targets[0].index, 1);
  EXPECT_EQ(targets[1].index, 1);
  EXPECT_EQ(targets[2].index, 2);
  EXPECT_EQ(targets[3].index, 4);
  EXPECT_EQ(targets[3].string, "top3");
}

TEST(Target, ClassesByIndexLabelAndSynonym) {
  EXPECT_EQ(resolve({"3"})[0].label, "Egyptian cat");
  EXPECT_EQ(resolve({"egyptian CAT"})[0].index, 3);
  EXPECT_EQ(resolve({"Tiger cat"})[0].index, 2);
  EXPECT_EQ(resolve({"tinca_tinca"})[0].index, 0);
  EXPECT_EQ(resolve({"logit:tench"})[0].index, 0);
}

TEST(Target, UnitsAndContrasts) {
  auto targets = resolve({"prob:2", "2-vs-3", "tiger cat-vs-egyptian cat"});
  EXPECT_EQ(targets[0].unit, TargetUnit::probability);
  EXPECT_EQ(targets[0].slug(), "prob-2");
  EXPECT_EQ(targets[1].slug(), "2-vs-3");
  EXPECT_EQ(targets[2].title(), "tiger_cat vs Egyptian cat (2-vs-3)");
  EXPECT_EQ(targets[2].versus, 3);
  EXPECT_EQ(targets[2].label, "tiger_cat vs Egyptian cat");
}

TEST(Target, ContrastsOfRanks) {
  const Target target = resolve({"top1-vs-top2"})[0];
  EXPECT_EQ(target.index, 1);
  EXPECT_EQ(target.versus, 2);
  EXPECT_EQ(resolve({"top1-vs-3"})[0].versus, 3);
  EXPECT_THAT(refusal("top1-vs-top9"), HasSubstr("does not exist"));
}

TEST(Target, ScoresAreColumns) {
  auto targets = resolve({"2", "prob:2", "2-vs-3"});
  Tensor batch = logits().reshape({1, 5}).repeat({2, 1});
  Tensor scores = target_scores(batch, targets);
  ASSERT_EQ(scores.sizes().vec(), (std::vector<int64_t>{2, 3}));
  EXPECT_FLOAT_EQ(scores[1][0].item<float>(), 2.0f);
  EXPECT_FLOAT_EQ(scores[1][1].item<float>(), at::softmax(logits(), 0)[2].item<float>());
  EXPECT_FLOAT_EQ(scores[1][2].item<float>(), 3.0f);
}

TEST(Target, RefusalsSayWhatToDo) {
  EXPECT_THAT(refusal("egiptian cat"), HasSubstr("Egyptian cat"));
  EXPECT_THAT(refusal("99"), HasSubstr("0 to 4"));
  EXPECT_THAT(refusal("top9"), HasSubstr("more classes than the model has"));
  EXPECT_THAT(refusal("top0"), HasSubstr("expected 1 to"));
  EXPECT_THAT(refusal("3-vs-3"), HasSubstr("itself"));
  EXPECT_THAT(refusal("3-vs-"), HasSubstr("both sides"));
  EXPECT_THAT(refusal("prob:2-vs-3"), HasSubstr("logits"));
  EXPECT_THAT(refusal(""), HasSubstr("names no class"));
}

TEST(Target, SignedSumsOfOutputs) {
  const auto score = [](const std::string& string) {
    return target_scores(logits().reshape({1, 5}), resolve({string})).item<float>();
  };
  EXPECT_FLOAT_EQ(score("out:1"), 3.0f);
  EXPECT_FLOAT_EQ(score("-out:1"), -3.0f);
  EXPECT_FLOAT_EQ(score("out:-1"), -3.0f);
  EXPECT_FLOAT_EQ(score("out:1:-3:0"), 3.0f + 1.0f + 0.1f);
  EXPECT_FLOAT_EQ(score("-out:1:-3"), -4.0f);
  EXPECT_FLOAT_EQ(score("out:all"), 4.6f);
  EXPECT_FLOAT_EQ(score("-out:all"), -4.6f);
  EXPECT_EQ(resolve({"out:1:-3"})[0].slug(), "out-1-minus-3");
  EXPECT_EQ(resolve({"out:1:-3"})[0].title(), "crane (bird) - Egyptian cat (out-1-minus-3)");
  EXPECT_EQ(resolve({"out:1"})[0].unit_name(), "value");
}

TEST(Target, ContrastWithTheNearestClasses) {
  // Of class 2: the three largest others are 3, .5 and .1.
  const auto targets = resolve({"2-vs-similar"});
  EXPECT_NEAR(target_scores(logits().reshape({1, 5}), targets).item<double>(), 2 - (3 + .5 + .1) / 3, 1e-6);
  EXPECT_EQ(targets[0].slug(), "2-vs-similar");
  EXPECT_EQ(targets[0].unit_name(), "logit");
}

TEST(Target, EveryFormIsCheckedBeforeAnythingIsLoaded) {
  for (const char* good : {"top1", "class:2", "out:3", "-out:3:-5", "out:all", "box:1", "box:all", "box:2:dog",
                           "box:1:position", "box:all:confidence", "rect:0:1:20.5:30", "rect:-3:1:20:30:dog",
                           "zone:3:4", "zone:3:4:inner", "zone:3:4.5:outer"})
    EXPECT_NO_THROW(check_target_syntax(good)) << good;
  const auto wrong = [](const std::string& string) {
    return message_of<UsageError>([&] { check_target_syntax(string); });
  };
  EXPECT_THAT(wrong("box:0"), HasSubstr("from 1"));
  EXPECT_THAT(wrong("box:"), HasSubstr("box:all"));
  EXPECT_THAT(wrong("rect:1:2:3"), HasSubstr("rect:x0:y0:x1:y1"));
  EXPECT_THAT(wrong("rect:9:2:3:4"), HasSubstr("empty"));
  EXPECT_THAT(wrong("rect:1:2:3:4:class"), HasSubstr("name the class"));
  EXPECT_THAT(wrong("zone:1"), HasSubstr("number of pixels"));
  EXPECT_THAT(wrong("zone:1:2:around"), HasSubstr("inner"));
  EXPECT_THAT(wrong("out:x"), HasSubstr("out:all"));
  EXPECT_THAT(wrong("out:1:1"), HasSubstr("twice"));
  EXPECT_THAT(wrong("mask:/no/such.png"), HasSubstr("/no/such.png"));
  EXPECT_THAT(wrong("similar:/no/such.png"), HasSubstr("does not exist"));
}

TEST(Target, ARowHasNoPlaces) {
  EXPECT_THAT(refusal("box:1"), HasSubstr("of the kind logits"));
  EXPECT_THAT(refusal("zone:1:2"), HasSubstr("similar:FILE"));
}

TEST(Target, AmbiguousLabelsListTheirIndices) {
  const std::vector<std::string> labels = {"crane", "x", "crane"};
  try {
    resolve_targets(std::vector<std::string>{"crane"}, at::tensor({0.f, 0.f, 0.f}), labels);
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(), HasSubstr("0 (crane), 2 (crane)"));
  }
}

}  // namespace
}  // namespace vitrail
