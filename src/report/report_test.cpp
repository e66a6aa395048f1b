#include "vitrail/report.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "report/npy.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::OnnxBuilder;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class ReportTest : public ::testing::Test {
 protected:
  ReportTest()
      : model_(Model::load(OnnxBuilder()
                               .input("x", {-1, 3, 4, 4})
                               .initializer("w", at::randn({3, 2}))
                               .node("GlobalAveragePool", {"x"}, {"pool"})
                               .node("Flatten", {"pool"}, {"flat"})
                               .node("MatMul", {"flat", "w"}, {"y"})
                               .output("y")
                               .save(),
                           {.preprocess = "unit"})),
        folder_(fs::path(model_.graph().path()).parent_path() / "out") {}
  ~ReportTest() override { fs::remove_all(folder_.parent_path()); }

  static ImageResult result_for(const std::string& path) {
    ImageResult result;
    result.image.path = path;
    result.image.pixels = at::zeros({5, 7, 3}, at::kByte);
    result.placed = {1, 0, 6, 5};
    result.prediction = {{1, "", 2.5, 0.75}};
    Explanation e;
    e.method = "rise:masks=2";
    e.name = "rise";
    e.target.index = 1;
    e.map = at::randn({4, 4});
    e.standard_error = at::randn({4, 4}).abs();
    e.unit = "logit";
    e.score = 0.1;
    e.seed = 18446744073709551615u;
    result.explanations = {e};
    return result;
  }

  static nlohmann::json json_in(const fs::path& folder) { return nlohmann::json::parse(read(folder / "result.json")); }

  Model model_;
  fs::path folder_;
};

TEST_F(ReportTest, WritesTheFilesThatTheResultNames) {
  Report report(folder_, model_);
  const ImageResult result = result_for("a/cat.jpg");
  const Report::Written written = report.add(result);
  EXPECT_EQ(written.folder, folder_ / "cat");
  const auto json = json_in(written.folder);
  const auto& e = json["explanations"][0];
  EXPECT_EQ(e["map"], "01-rise-1.npy");
  EXPECT_EQ(e["standard_error"], "01-rise-1.se.npy");
  EXPECT_TRUE(e["cells"].is_null());
  const std::string map = read(written.folder / "01-rise-1.npy");
  EXPECT_TRUE(at::allclose(decode_npy(std::as_bytes(std::span(map))), result.explanations[0].map, 0, 0));
  EXPECT_TRUE(fs::exists(written.folder / "01-rise-1.png"));
  EXPECT_FALSE(fs::exists(folder_ / "report.html")) << "appears when it is whole";
  const std::string html = read(report.finish());
  EXPECT_THAT(html, HasSubstr("</html>"));
  for (const char* reference : {"http:", "https:", "src=\"/", "href=", "url(", "<script"})
    EXPECT_EQ(html.find(reference), std::string::npos) << reference;
}

TEST_F(ReportTest, NumbersKeepEveryDigit) {
  const ImageResult result = result_for("cat.jpg");
  const auto json = nlohmann::json::parse(result_to_json(result, model_, {{.map = "m.npy", .overlay = "m.png"}}));
  EXPECT_EQ(json["explanations"][0]["score"].get<double>(), 0.1);
  EXPECT_EQ(json["explanations"][0]["seed"].get<uint64_t>(), 18446744073709551615u);
  EXPECT_EQ(json["model"]["input_shape"], (nlohmann::json{"N", 3, 4, 4}));
  EXPECT_EQ(json["status"], "complete");
}

TEST_F(ReportTest, NumbersThatDoNotExistAreNullWithAWord) {
  ImageResult result = result_for("cat.jpg");
  result.explanations[0].score = std::nan("");
  result.explanations[0].completeness_gap = INFINITY;
  result.prediction[0].logit = -INFINITY;
  const auto json = nlohmann::json::parse(result_to_json(result, model_, {{.map = "m.npy", .overlay = "m.png"}}));
  EXPECT_TRUE(json["explanations"][0]["score"].is_null());
  EXPECT_TRUE(json["explanations"][0]["completeness_gap"].is_null());
  EXPECT_EQ(json["explanations"][0]["warnings"].size(), 2u);
  EXPECT_TRUE(json["prediction"][0]["logit"].is_null());
  EXPECT_THAT(json["warnings"].dump(), HasSubstr("logit of class 1"));
}

TEST_F(ReportTest, AGapThatIsNotDefinedIsNullWithoutAWarning) {
  const auto json =
      nlohmann::json::parse(result_to_json(result_for("cat.jpg"), model_, {{.map = "m.npy", .overlay = "m.png"}}));
  EXPECT_TRUE(json["explanations"][0]["completeness_gap"].is_null());
  EXPECT_TRUE(json["explanations"][0]["warnings"].empty());
}

TEST_F(ReportTest, OnePartialExplanationMakesTheResultPartial) {
  ImageResult result = result_for("cat.jpg");
  result.explanations[0].partial = true;
  EXPECT_EQ(nlohmann::json::parse(result_to_json(result, model_, {{}}))["status"], "partial");
  result.explanations.clear();
  result.interrupted = true;
  EXPECT_EQ(nlohmann::json::parse(result_to_json(result, model_, {}))["status"], "partial");
}

TEST_F(ReportTest, StemsThatCollideGetANumber) {
  Report report(folder_, model_);
  EXPECT_EQ(report.add(result_for("a/cat.jpg")).folder, folder_ / "cat");
  EXPECT_EQ(report.add(result_for("b/cat.png")).folder, folder_ / "cat-2");
  EXPECT_EQ(report.add(result_for("cat-2.png")).folder, folder_ / "cat-2-2");
}

TEST_F(ReportTest, FoldersAreNamedAfterTheWholeList) {
  const std::vector<fs::path> photos = {"a/cat.jpg", "b/cat.png", "cat-2.png", "..jpg"};
  EXPECT_EQ(folder_names(photos), (std::vector<std::string>{"cat", "cat-2", "cat-2-2", "image"}));
  Report report(folder_, model_);
  EXPECT_EQ(report.add(result_for("b/cat.png"), "cat-2").folder, folder_ / "cat-2");
}

TEST_F(ReportTest, ShowsWhatEarlierRunsLeft) {
  Report(folder_, model_).add(result_for("first.jpg"));
  Report(folder_, model_).add_failure("broken.jpg", "the file is empty");
  fs::create_directories(folder_ / "damaged");
  std::ofstream(folder_ / "damaged" / "result.json") << "{";
  Report report(folder_, model_);
  report.add(result_for("second.jpg"));
  const std::string html = read(report.finish());
  for (const char* part : {"first.jpg", "second.jpg", "broken.jpg", "the file is empty", "damaged"})
    EXPECT_THAT(html, HasSubstr(part));
  Report again(folder_, model_);
  again.add(result_for("broken.jpg"));
  EXPECT_THAT(read(again.finish()), Not(HasSubstr("the file is empty"))) << "a result takes the failure's place";
}

TEST_F(ReportTest, ARunThatWasKilledLeavesNothingBehind) {
  fs::create_directories(folder_ / "cat");
  Report(folder_, model_).add(result_for("cat.jpg"));
  fs::remove(folder_ / "cat" / "result.json");
  std::ofstream(folder_ / "cat" / "07-sobol-3.cells.npy") << "of a killed run";
  std::ofstream(folder_ / "cat" / "7-mine.npy") << "mine";
  Report(folder_, model_).add(result_for("cat.jpg"));
  EXPECT_FALSE(fs::exists(folder_ / "cat" / "07-sobol-3.cells.npy"));
  EXPECT_TRUE(fs::exists(folder_ / "cat" / "7-mine.npy"));
}

TEST_F(ReportTest, LeavesOutWhatTheModelDoesNotAllowWhereAsked) {
  Image image;
  image.pixels = at::zeros({4, 4, 3}, at::kByte);
  const std::vector<std::string> targets = {"top1"};
  const Methods methods = parse_methods("gradcam:layer=nowhere,saliency");
  EXPECT_THROW(explain_image(model_, image, methods, targets), UsageError);
  const ImageResult result = explain_image(model_, image, methods, targets, {}, WhereRefused::leave_out);
  ASSERT_EQ(result.not_applicable.size(), 1u);
  EXPECT_EQ(result.not_applicable[0].method, methods[0]->canonical());
  EXPECT_THAT(result.not_applicable[0].reason, HasSubstr("nowhere"));
  ASSERT_EQ(result.explanations.size(), 1u);
  EXPECT_EQ(result.run.methods.size(), 2u);
}

TEST_F(ReportTest, NoNameLeadsOutOfTheFolder) {
  Report report(folder_, model_);
  for (const char* path : {"..jpg", "...jpg", "", "a/.."})
    EXPECT_EQ(report.add(result_for(path)).folder.parent_path(), folder_) << path;
  EXPECT_FALSE(fs::exists(folder_ / "result.json"));
  EXPECT_FALSE(fs::exists(folder_.parent_path() / "result.json"));
}

TEST_F(ReportTest, AFormerResultIsWithdrawnWithItsFiles) {
  ImageResult two = result_for("cat.jpg");
  two.explanations.push_back(two.explanations[0]);
  Report(folder_, model_).add(two);
  std::ofstream(folder_ / "cat" / "notes.txt") << "mine";
  ASSERT_TRUE(fs::exists(folder_ / "cat" / "02-rise-1.npy"));

  Report(folder_, model_).add(result_for("cat.jpg"));
  EXPECT_FALSE(fs::exists(folder_ / "cat" / "02-rise-1.npy"));
  EXPECT_TRUE(fs::exists(folder_ / "cat" / "notes.txt"));

  Report(folder_, model_).add_failure("cat.jpg", "not an image");
  EXPECT_FALSE(fs::exists(folder_ / "cat" / "result.json"));
}

TEST_F(ReportTest, NamesFailures) {
  Report report(folder_, model_);
  report.add_failure("broken.jpg", "the file is empty");
  report.add_note("Interrupted");
  const std::string html = read(report.finish());
  EXPECT_THAT(html, AllOf(HasSubstr("broken.jpg"), HasSubstr("the file is empty"), HasSubstr("Interrupted")));
}

TEST_F(ReportTest, AFileWhereTheFolderShouldBeIsTheMachinesError) {
  std::ofstream(folder_) << "in the way";
  EXPECT_THROW(check_output_folder(folder_), MachineError);
  EXPECT_THROW(check_output_folder(folder_ / "deeper"), MachineError);
  EXPECT_THROW(Report(folder_, model_), MachineError);
}

TEST_F(ReportTest, TheTryLeavesNothing) {
  check_output_folder(folder_);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(ReportTest, ExplainsAPhotoForSeveralTargets) {
  Image image;
  image.pixels = at::zeros({4, 4, 3}, at::kByte);
  const std::vector<std::string> targets = {"top1", "0-vs-1"};
  const Methods methods = parse_methods("saliency,occlusion:patch=2,stride=2");
  const ImageResult result = explain_image(model_, image, methods, targets);
  ASSERT_EQ(result.explanations.size(), 4u);
  EXPECT_EQ(result.explanations[1].target.slug(), "0-vs-1");
  EXPECT_EQ(result.explanations[2].name, "occlusion");
  EXPECT_EQ(result.prediction.size(), 2u);
  EXPECT_FALSE(result.partial());

  const Estimate estimate = estimate_explanations(model_, image, methods, targets);
  EXPECT_EQ(estimate.targets, 2);
  EXPECT_EQ(estimate.methods[1].forwards, result.explanations[2].forwards);
  EXPECT_GT(estimate.seconds(), 0);
}

TEST_F(ReportTest, ACancellationStartsNoMethod) {
  Image image;
  image.pixels = at::zeros({4, 4, 3}, at::kByte);
  const std::vector<std::string> targets = {"top1"};
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const ImageResult result = explain_image(model_, image, parse_methods("saliency,rise"), targets, execution);
  EXPECT_TRUE(result.explanations.empty());
  EXPECT_TRUE(result.interrupted);
  EXPECT_TRUE(result.partial());
  EXPECT_FALSE(result.prediction.empty());
}

TEST_F(ReportTest, ProposesAMapOfActivationsWhereThereIsALayer) {
  EXPECT_EQ(default_methods(model_), "sobol") << "the only value with positions is the input";
}

}  // namespace
}  // namespace vitrail
