#include "vitrail/saved_result.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "report/atomic_file.h"
#include "report/npy.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"
#include "vitrail/reproduce.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::OnnxBuilder;
namespace fs = std::filesystem;

/// A model and a photo on the disk, explained by two methods for two targets.
class SavedResultTest : public ::testing::Test {
 protected:
  SavedResultTest()
      : model_(Model::load(OnnxBuilder()
                               .input("x", {-1, 3, 6, 6})
                               .initializer("k", at::randn({4, 3, 3, 3}))
                               .initializer("w", at::randn({4, 3}))
                               .node("Conv", {"x", "k"}, {"c"})
                               .node("Relu", {"c"}, {"r"})
                               .node("GlobalAveragePool", {"r"}, {"pool"})
                               .node("Flatten", {"pool"}, {"flat"})
                               .node("MatMul", {"flat", "w"}, {"y"})
                               .output("y")
                               .save(),
                           {.preprocess = "unit"})),
        folder_(fs::path(model_.graph().path()).parent_path() / "out"),
        photo_(fs::path(model_.graph().path()).parent_path() / "cat.png") {
    write_file(photo_, encode_png(at::randint(0, 256, {6, 6, 3}, at::kByte)));
  }
  ~SavedResultTest() override { fs::remove_all(folder_.parent_path()); }

  Methods methods() const { return parse_methods("saliency,rise:masks=40,grid=2,seed=3"); }

  ImageResult explained(const Execution& execution = {}) const {
    const std::vector<std::string> targets = {"top1", "prob:2"};
    return explain_image(model_, read_image(photo_), methods(), targets, execution);
  }

  fs::path save(const ImageResult& result) const { return Report(folder_, model_).add(result).folder; }

  Model model_;
  fs::path folder_, photo_;
};

TEST_F(SavedResultTest, EverythingComesBack) {
  ImageResult result = explained();
  result.explanations[1].score = std::nan("");
  result.explanations[1].warnings = {"a warning"};
  result.not_applicable = {{"gradcam", "no layer"}};
  result.run.budget = "30s";
  result.run.input_size = {6, 6};
  result.run.directory = "/somewhere";
  const SavedResult saved = read_result(save(result) / "result.json");
  EXPECT_EQ(saved.model_sha256, model_.graph().sha256());
  EXPECT_EQ(saved.image_sha256, result.image.sha256);
  EXPECT_EQ(saved.width, 6);
  ASSERT_EQ(saved.explanations.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const Explanation now = saved.load(i), &then = result.explanations[i];
    EXPECT_EQ(now.method, then.method);
    EXPECT_EQ(now.target.slug(), then.target.slug());
    EXPECT_EQ(now.target.title(), then.target.title());
    EXPECT_EQ(now.unit, then.unit);
    EXPECT_EQ(now.is_signed, then.is_signed);
    EXPECT_EQ(now.forwards, then.forwards);
    EXPECT_EQ(now.plan, then.plan);
    EXPECT_TRUE(at::allclose(now.map, then.map, 0, 0));
    EXPECT_EQ(now.standard_error.defined(), then.standard_error.defined());
  }
  EXPECT_TRUE(std::isnan(saved.explanations[1].score));
  EXPECT_EQ(saved.not_applicable.at(0).reason, "no layer");
  EXPECT_EQ(saved.run.methods, result.run.methods);
  EXPECT_EQ(saved.run.targets, result.run.targets);
  EXPECT_EQ(saved.run.budget, "30s");
  EXPECT_THAT(saved.run.input_size, ElementsAre(6, 6));
  EXPECT_EQ(saved.run.engine.at("engine"), "plain");
  EXPECT_THAT(differences_of_runs(saved.run, result.run), IsEmpty());
}

TEST_F(SavedResultTest, WhatIsNoResultIsRefusedByName) {
  fs::create_directories(folder_);
  const fs::path path = folder_ / "result.json";
  const auto error = [&] {
    try {
      read_result(path);
    } catch (const InputError& problem) {
      return std::string(problem.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error(), AllOf(HasSubstr(path.string()), HasSubstr("does not exist")));
  const std::string whole = read_result(save(explained()) / "result.json").text;
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[1]"), whole.substr(0, whole.size() / 2),
        std::string(R"({"format": "vitrail-result", "version": 1})"),
        std::string(R"({"format": "vitrail-result", "version": 2})"), std::string(R"({"format": 1, "version": 1})")}) {
    std::ofstream(path) << text;
    EXPECT_THAT(error(), HasSubstr(path.string())) << text.substr(0, 60);
  }
}

TEST_F(SavedResultTest, NoNameLeadsOutOfTheFolder) {
  const fs::path folder = save(explained());
  write_file(folder_ / "secret.npy", encode_npy(at::rand({2, 2})));
  const SavedResult saved = read_result(folder / "result.json");
  EXPECT_THROW(saved.array("../secret.npy"), InputError);
}

TEST_F(SavedResultTest, AResultThatAnswersTheQuestionIsFound) {
  const ImageResult result = explained();
  const fs::path folder = save(result);
  EXPECT_FALSE(find_former_result(folder_ / "dog", photo_, model_, result.run).result);
  EXPECT_TRUE(find_former_result(folder, photo_, model_, result.run).result);
}

TEST_F(SavedResultTest, EveryChangedSettingIsSaid) {
  const ImageResult result = explained();
  const fs::path folder = save(result);
  const auto reason = [&](const auto& change) {
    RunRecord run = result.run;
    change(run);
    const FormerResult former = find_former_result(folder, photo_, model_, run);
    EXPECT_FALSE(former.result);
    return former.differences.size() == 1 ? former.differences[0] : std::string("not one reason");
  };
  EXPECT_THAT(reason([](RunRecord& run) { run.methods[1] = "rise:seed=4"; }),
              AllOf(HasSubstr("methods"), HasSubstr("seed=3"), HasSubstr("now rise:seed=4")));
  EXPECT_THAT(reason([](RunRecord& run) { std::swap(run.methods[0], run.methods[1]); }), HasSubstr("order"));
  EXPECT_THAT(reason([](RunRecord& run) { run.methods.pop_back(); }), HasSubstr("now no other"));
  EXPECT_THAT(reason([](RunRecord& run) { run.targets[0] = "1"; }), HasSubstr("(top1, now 1)"));
  EXPECT_THAT(reason([](RunRecord& run) { run.plan = "auto"; }), HasSubstr("plan"));
  EXPECT_THAT(reason([](RunRecord& run) { run.engine = {{"engine", "plan"}, {"chunk", "4"}}; }), HasSubstr("chunk=4"));
  EXPECT_THAT(reason([](RunRecord& run) { run.exif = true; }), HasSubstr("EXIF"));
  EXPECT_THAT(reason([](RunRecord& run) { run.output = "y"; }), HasSubstr("output"));
  EXPECT_THAT(reason([](RunRecord& run) { run.input_size = {6, 6}; }), HasSubstr("6x6"));
  EXPECT_THAT(reason([](RunRecord& run) { run.device = "cuda:0"; }), HasSubstr("cuda:0"));
  RunRecord other = result.run;
  other.batch = 1;
  other.threads = 7;
  other.budget = "9s";
  EXPECT_TRUE(find_former_result(folder, photo_, model_, other).result) << "a complete result does not depend on them";
}

TEST_F(SavedResultTest, AnotherPhotoOrADamagedFileIsComputedAgain) {
  const ImageResult result = explained();
  const fs::path folder = save(result);
  const auto reasons = [&] { return find_former_result(folder, photo_, model_, result.run).differences; };
  const std::string name = read_result(folder / "result.json").files[0].map;
  fs::rename(folder / name, folder / "elsewhere");
  EXPECT_THAT(reasons(), ElementsAre(AllOf(HasSubstr(name), HasSubstr("missing"))));
  std::ofstream(folder / name) << "damaged";
  EXPECT_THAT(reasons(), ElementsAre(AllOf(HasSubstr(name), HasSubstr("damaged"))));
  fs::rename(folder / "elsewhere", folder / name);
  EXPECT_THAT(reasons(), IsEmpty());
  write_file(photo_, encode_png(at::randint(0, 256, {6, 6, 3}, at::kByte)));
  EXPECT_THAT(reasons(), ElementsAre("the photo"));
}

TEST_F(SavedResultTest, APartialResultIsKeptForItsOwnBudgetOnly) {
  Execution execution;
  execution.budget.forwards = 20;
  ImageResult result = explained(execution);
  result.run.budget = "20forwards";
  ASSERT_TRUE(result.partial());
  const fs::path folder = save(result);
  EXPECT_TRUE(find_former_result(folder, photo_, model_, result.run).result);
  RunRecord more = result.run;
  more.budget = "30forwards";
  EXPECT_THAT(find_former_result(folder, photo_, model_, more).differences, ElementsAre(HasSubstr("30forwards")));
  result.interrupted = true;
  save(result);
  EXPECT_THAT(find_former_result(folder, photo_, model_, result.run).differences,
              ElementsAre(HasSubstr("interrupted")));
}

TEST_F(SavedResultTest, IsReproducedToTheByte) {
  const Reproduction again = reproduce(read_result(save(explained()) / "result.json"));
  EXPECT_TRUE(again.same());
  EXPECT_THAT(again.differences, IsEmpty());
  ASSERT_EQ(again.maps.size(), 4u);
  for (const ReproducedMap& map : again.maps) EXPECT_TRUE(map.same_bytes) << map.method;
}

TEST_F(SavedResultTest, WhatWasStoppedIsStoppedAtTheSamePoint) {
  Execution execution;
  execution.budget.forwards = 20;
  const SavedResult saved = read_result(save(explained(execution)) / "result.json");
  ASSERT_TRUE(saved.partial);
  EXPECT_TRUE(reproduce(saved).same());
}

TEST_F(SavedResultTest, AMapThatDiffersIsMeasured) {
  const fs::path folder = save(explained());
  SavedResult saved = read_result(folder / "result.json");
  Tensor map = saved.array(saved.files[0].map);
  const double range = (map.max() - map.min()).item<double>();
  map[2][3] += 0.25 * range;
  write_file(folder / saved.files[0].map, encode_npy(map));
  saved.checksums.clear();
  const Reproduction again = reproduce(saved);
  EXPECT_FALSE(again.same());
  EXPECT_FALSE(again.maps[0].same);
  EXPECT_NEAR(again.maps[0].max_difference, 0.25 * range, 1e-5 * range);
  EXPECT_TRUE(again.maps[1].same_bytes);
  EXPECT_TRUE(reproduce(saved, {.tolerance = 0.5}).same());
}

TEST_F(SavedResultTest, TheChecksumOutlivesTheFile) {
  const fs::path folder = save(explained());
  SavedResult saved = read_result(folder / "result.json");
  fs::remove(folder / saved.files[0].map);
  EXPECT_TRUE(reproduce(saved).same());
  saved.checksums.clear();
  const Reproduction again = reproduce(saved);
  EXPECT_FALSE(again.same());
  EXPECT_THAT(again.maps[0].problem, HasSubstr(saved.files[0].map));
}

TEST_F(SavedResultTest, WhatIsMissingIsSaidWithThePlaces) {
  const fs::path folder = save(explained());
  const SavedResult saved = read_result(folder / "result.json");
  const fs::path moved = photo_.parent_path() / "moved.png";
  fs::rename(photo_, moved);
  EXPECT_THROW(reproduce(saved), InputError);
  EXPECT_TRUE(reproduce(saved, {.image = moved.string()}).same());
  write_file(moved, encode_png(at::randint(0, 256, {6, 6, 3}, at::kByte)));
  const Reproduction again = reproduce(saved, {.image = moved.string()});
  EXPECT_FALSE(again.same_question);
  EXPECT_THAT(again.differences, ElementsAre(HasSubstr("photo has changed")));
  SavedResult elsewhere = saved;
  elsewhere.model_path = "/nowhere/m.onnx";
  EXPECT_THROW(reproduce(elsewhere, {.image = moved.string()}), ModelError);
  EXPECT_THROW(reproduce(saved, {.tolerance = -1}), UsageError);
}

TEST_F(SavedResultTest, APhotoFromMemoryIsKeptBesideItsResult) {
  Image image;
  image.pixels = at::randint(0, 256, {6, 6, 3}, at::kByte);
  const std::vector<std::string> targets = {"top1"};
  const ImageResult result = explain_image(model_, image, methods(), targets);
  const SavedResult saved = read_result(save(result) / "result.json");
  ASSERT_TRUE(saved.photo());
  EXPECT_TRUE(at::allclose(saved.photo()->pixels, image.pixels));
  EXPECT_TRUE(reproduce(saved).same());
}

TEST(Shard, DividesWithoutGapsAndOverlaps) {
  std::vector<int> holders(17, 0);
  for (int number = 1; number <= 5; ++number) {
    const Shard shard = Shard::parse(std::to_string(number) + "/5");
    for (size_t place = 0; place < holders.size(); ++place) holders[place] += shard.holds(place);
  }
  for (const int count : holders) EXPECT_EQ(count, 1);
  for (const char* text : {"0/4", "5/4", "1", "1/0", "-1/4", "1/4x", "", "a/b"})
    EXPECT_THROW(Shard::parse(text), UsageError) << text;
}

}  // namespace
}  // namespace vitrail
