#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <vitrail/cue_conflict.h>
#include <vitrail/error.h>

#include <cmath>
#include <fstream>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
namespace fs = std::filesystem;

const Categories kCategories = {{"bird", {0, 1, 2}}, {"cat", {4}}, {"clock", {3, 5}}};

class CueConflictFile : public ::testing::Test {
 protected:
  ~CueConflictFile() override { fs::remove(file); }
  const fs::path& write(const std::string& text) const {
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  fs::path file = fs::path(::testing::TempDir()) / ("cue-conflict-" + std::to_string(getpid()));
};

TEST_F(CueConflictFile, CategoriesAreListsOfClasses) {
  const Categories found =
      read_categories(write(R"({"cat": {"classes": [4], "names": ["a"]}, "dog": {"classes": [1, 2]}})"));
  EXPECT_EQ(found, (Categories{{"cat", {4}}, {"dog", {1, 2}}}));
  EXPECT_THAT(message_of<InputError>([&] { read_categories(write(R"({"cat": [4]})")); }), HasSubstr("no categories"));
  EXPECT_THAT(message_of<InputError>([&] { read_categories(write(R"({"cat": {"classes": []}})")); }),
              HasSubstr("'cat' has no classes"));
  EXPECT_THAT(message_of<InputError>([&] { read_categories(write(R"({"cat": {"classes": [1]}})")); }),
              HasSubstr("1 categories"));
  EXPECT_THAT(message_of<InputError>([] { read_categories("/nowhere.json"); }), HasSubstr("/nowhere.json"));
}

TEST(CueConflict, TheCategoryIsThatOfTheLargestMean) {
  // Sums: bird .3, cat .25, clock .45; means: .1, .25, .225.
  EXPECT_EQ(category_of(at::tensor({0.1, 0.1, 0.1, 0.4, 0.25, 0.05}), kCategories), "cat");
  EXPECT_EQ(category_of(at::tensor({0.3, 0.3, 0.3, 0.0, 0.1, 0.0}), kCategories), "bird");
  EXPECT_THAT(message_of<UsageError>([] { category_of(at::tensor({0.5, 0.5, 0.0, 0.0, 0.0}), kCategories); }),
              HasSubstr("'clock' has the class 5, the model has classes 0 to 4"));
}

TEST(CueConflict, NamesSayShapeAndTexture) {
  const CueConflictDecision found = cue_conflict_of("cat10-clock1.png", kCategories);
  EXPECT_EQ(found.image, "cat10-clock1.png");
  EXPECT_EQ(found.shape, "cat");
  EXPECT_EQ(found.texture, "clock");
  EXPECT_EQ(found.answer, "");
  EXPECT_THAT(message_of<InputError>([] { cue_conflict_of("cat1.png", kCategories); }), HasSubstr("airplane4-car1"));
  EXPECT_THAT(message_of<InputError>([] { cue_conflict_of("cat1-clok2.png", kCategories); }), HasSubstr("clock"));
}

TEST_F(CueConflictFile, ObserversStandBesideTheModel) {
  const CueConflictResponses responses = read_cue_conflict_responses(
      write("observer,image,shape,texture,response,seconds\n"
            "net,a,cat,bird,cat,NaN\nnet,b,cat,clock,bird,NaN\n"
            "subject-01,a,cat,bird,cat,1\nsubject-01,b,cat,clock,clock,1\nsubject-01,unseen,cat,clock,clock,1\n"
            "subject-02,a,cat,bird,cat,1\nsubject-02,b,cat,clock,na,1\n"));
  const std::vector<CueConflictDecision> decisions = {{"a", "cat", "bird", "bird"}, {"b", "cat", "clock", "cat"}};
  const auto observers = describe_observers("ours", decisions, responses);
  ASSERT_EQ(observers.size(), 5u);
  using Kind = CueConflictObserver::Kind;
  const auto check = [&](size_t i, const std::string& name, Kind kind, int64_t shape, int64_t texture, int64_t other,
                         double consistency) {
    EXPECT_EQ(observers[i].name, name);
    EXPECT_EQ(observers[i].kind, kind) << name;
    EXPECT_EQ(observers[i].bias.shape, shape) << name;
    EXPECT_EQ(observers[i].bias.texture, texture) << name;
    EXPECT_EQ(observers[i].bias.other, other) << name;
    EXPECT_NEAR(observers[i].consistency, consistency, 1e-12) << name;
  };
  // Everybody is right once: on the same image (kappa 1) or on the other (-1).
  check(0, "ours", Kind::model, 1, 1, 0, -1);
  check(1, "net", Kind::network, 1, 0, 1, 1);
  check(2, "2 people", Kind::people, 2, 1, 1, 1);
  check(3, "subject-01", Kind::person, 1, 1, 0, 1);
  check(4, "subject-02", Kind::person, 1, 0, 1, 1);
  EXPECT_TRUE(std::isnan(describe_observers("ours", decisions, {}).at(0).consistency));
}

}  // namespace
}  // namespace vitrail
