#include "evaluation/score_file.h"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <vitrail/error.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>

#include "evaluation/evaluation_run.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

PhotoEvaluation photo(int64_t place) {
  PhotoEvaluation photo{.place = place,
                        .path = "photos/" + std::to_string(place) + ".jpg",
                        .sha256 = "abc",
                        .target = {.string = "top1", .index = 7 + place, .label = "a \"label\""}};
  MetricScore score{.value = 1.0 / 3 + static_cast<double>(place), .forwards = 11};
  score.curve_x = at::tensor({0.0, 1.0}, at::kDouble);
  score.curve_y = at::tensor({0.1, std::numeric_limits<double>::quiet_NaN()}, at::kDouble);
  score.parts["covered"] = 0.25;
  MetricScore none{.value = std::nan(""), .undefined = "the map is constant"};
  photo.methods.push_back(
      {.forwards = 5, .backwards = 2, .seconds = 0.5, .scores = {score, none}, .score_seconds = {1, 2}});
  photo.methods.back().repeats = {{0.1, 1.0 / 3}, {std::nan(""), 2}};
  photo.methods.push_back({.refused = "no layer"});
  photo.ceilings = {{"human_dice", 2.0 / 3}, {"human_spearman", std::nan("")}};
  return photo;
}

PhotoEvaluation failed(int64_t place) { return {.place = place, .path = "broken.jpg", .problem = "truncated"}; }

class ScoreFile : public ::testing::Test {
 protected:
  ScoreFile() { fs::create_directories(folder); }
  ~ScoreFile() override { fs::remove_all(folder); }
  fs::path folder = fs::path(::testing::TempDir()) / ("scores-" + std::to_string(getpid()));
};

TEST_F(ScoreFile, WhatIsWrittenIsReadBack) {
  {
    ScoreWriter writer(folder, {});
    EXPECT_TRUE(writer.former().empty());
    writer.append(photo(0));
    writer.append(failed(1));
  }
  const auto photos = read_scores({folder}, 2);
  const MethodEvaluation& method = photos[0].methods[0];
  EXPECT_EQ(photos[0].target.label, "a \"label\"");
  EXPECT_EQ(photos[0].target.index, 7);
  EXPECT_EQ(photos[0].ceilings.at("human_dice"), 2.0 / 3);
  EXPECT_TRUE(std::isnan(photos[0].ceilings.at("human_spearman")));
  EXPECT_EQ(method.scores[0].value, 1.0 / 3);
  EXPECT_EQ(method.scores[0].parts.at("covered"), 0.25);
  EXPECT_TRUE(std::isnan(method.scores[0].curve_y[1].item<double>()));
  EXPECT_TRUE(std::isnan(method.scores[1].value));
  EXPECT_EQ(method.scores[1].undefined, "the map is constant");
  EXPECT_EQ(method.seconds, 0.5);
  EXPECT_THAT(method.score_seconds, ElementsAre(1, 2));
  EXPECT_EQ(photos[0].methods[1].refused, "no layer");
  EXPECT_EQ(photos[1].problem, "truncated");
}

// A process killed at any byte: the next one goes on, and the files are those of an uninterrupted run.
TEST_F(ScoreFile, ALineCutAnywhereIsWrittenAgain) {
  write_scores(folder, {photo(0), photo(1), photo(2)});
  const std::string whole = content(folder / "scores.jsonl"), times = content(folder / "seconds.jsonl");
  for (size_t cut = 0; cut <= whole.size(); cut += 97) {
    std::ofstream(folder / "scores.jsonl", std::ios::binary) << whole.substr(0, cut);
    {
      ScoreWriter writer(folder, {});
      for (auto place = static_cast<int64_t>(writer.former().size()); place < 3; ++place) writer.append(photo(place));
    }
    EXPECT_EQ(content(folder / "scores.jsonl"), whole) << cut;
    EXPECT_EQ(read_scores({folder}, 3)[2].methods[0].seconds, 0.5);
    std::ofstream(folder / "seconds.jsonl", std::ios::binary) << times;
  }
}

TEST_F(ScoreFile, ShardsAreTheWhole) {
  const fs::path elsewhere = folder / "elsewhere";
  fs::create_directories(elsewhere);
  for (int64_t number = 1; number <= 3; ++number) {
    ScoreWriter writer(number == 3 ? elsewhere : folder, {number, 3});
    for (int64_t place = number - 1; place < 7; place += 3) writer.append(photo(place));
  }
  const auto photos = read_scores({folder, elsewhere}, 7);
  write_scores(elsewhere, photos);
  std::string expected;
  for (int64_t place = 0; place < 7; ++place) expected += to_json_line(photo(place)) + "\n";
  EXPECT_EQ(content(elsewhere / "scores.jsonl"), expected);
  EXPECT_THAT(message_of<InputError>([&] { read_scores({folder}, 7); }), HasSubstr("number 3 has no scores yet"));
}

TEST_F(ScoreFile, OneProcessAtATime) {
  const ScoreWriter writer(folder, {});
  EXPECT_THAT(message_of<MachineError>([&] { ScoreWriter(folder, {}); }), HasSubstr("another process"));
}

TEST_F(ScoreFile, AFullDiskKeepsWhatIsWhole) {
  ScoreWriter writer(folder, {});
  writer.append(photo(0));
  const std::string before = content(folder / "scores.jsonl");
  rlimit former{};
  getrlimit(RLIMIT_FSIZE, &former);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{before.size() + 20, former.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of<MachineError>([&] { writer.append(photo(1)); });
  setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, ignored);
  EXPECT_THAT(message, HasSubstr("goes on from there"));
  EXPECT_EQ(content(folder / "scores.jsonl"), before);
}

TEST_F(ScoreFile, WhatIsNoScoreIsNamed) {
  std::ofstream(folder / "scores.jsonl") << "{\"place\": 0}\n";
  EXPECT_THAT(message_of<InputError>([&] { ScoreWriter(folder, {}); }), HasSubstr("scores.jsonl"));
  std::ofstream(folder / "scores.jsonl") << "no json\n";
  EXPECT_THAT(message_of<InputError>([&] { ScoreWriter(folder, {}); }), HasSubstr("line 1"));
}

TEST_F(ScoreFile, TheFirstRunDecides) {
  EvaluationRun run;
  run.model_path = "m.onnx";
  run.preprocess = "{}";
  run.run.methods = {"saliency"};
  run.run.targets = {"top1"};
  run.run.engine = {{"engine", "plan"}, {"chunk", "4"}};
  run.metrics = {"deletion"};
  run.photos = {"a.jpg"};
  EXPECT_FALSE(read_evaluation_run(folder));
  begin_evaluation(folder, run);
  EvaluationRun other = run;
  other.run.engine["chunk"] = "8";
  EXPECT_EQ(begin_evaluation(folder, other).run.engine.at("chunk"), "4");
  EXPECT_TRUE(differences_of_evaluations(*read_evaluation_run(folder), run).empty());
  other.metrics = {"insertion"};
  other.photos = {"b.jpg"};
  EXPECT_THAT(differences_of_evaluations(run, other), ElementsAre("the metrics", "the list of photos"));
}

}  // namespace
}  // namespace vitrail
