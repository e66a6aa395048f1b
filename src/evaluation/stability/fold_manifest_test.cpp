#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <vitrail/error.h>
#include <vitrail/fold_manifest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "evaluation/nets_for_tests.h"
#include "support/damaged_onnx.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

void write(const fs::path& path, const std::string& text = "") {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// A folder of its own, with two models and three photos, and a file about them that a test may spoil.
class FoldManifestFile : public ::testing::Test {
 protected:
  FoldManifestFile() {
    folder_ = fs::temp_directory_path() / ("vitrail_folds_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    for (const char* name : {"a.onnx", "models/b.onnx", "img/0.png", "img/1.png", "img/2.png"}) write(folder_ / name);
    json_ = {{"format", "vitrail-folds"}, {"version", 1}, {"models", {"a.onnx", "models/b.onnx"}}};
    json_["images"] = Json::array({{{"path", "img/0.png"}, {"label", 3}, {"fold", 0}},
                                   {{"path", "img/1.png"}, {"label", "tabby cat"}, {"fold", 1}},
                                   {{"path", "./img/2.png"}, {"label", "7"}, {"fold", 1}, {"note", "ignored"}}});
  }
  ~FoldManifestFile() override { fs::remove_all(folder_); }

  FoldManifest read() const {
    write(folder_ / "folds.json", json_.dump());
    return read_fold_manifest(folder_ / "folds.json");
  }
  template <class Change>
  std::string message(const Change& change) {
    const Json good = json_;
    change(json_);
    const std::string found = message_of<InputError>([&] { read(); });
    json_ = good;
    return found;
  }

  fs::path folder_;
  Json json_;
};

TEST_F(FoldManifestFile, NamesModelsAndImagesFromItsFolder) {
  const FoldManifest manifest = read();
  EXPECT_THAT(manifest.models, ElementsAre(folder_ / "a.onnx", folder_ / "models/b.onnx"));
  ASSERT_EQ(manifest.images.size(), 3u);
  EXPECT_EQ(manifest.images[2].path, folder_ / "img/2.png");
  EXPECT_EQ(manifest.images[0].label, "3");
  EXPECT_EQ(manifest.images[1].label, "tabby cat");
  EXPECT_EQ(manifest.images[2].fold, 1);
}

TEST_F(FoldManifestFile, IsRefusedWithThePlaceOfWhatIsWrong) {
  EXPECT_THAT(message([](Json& json) { json = Json::array(); }), HasSubstr("the format is []"));
  EXPECT_THAT(message([](Json& json) { json["format"] = "vitrail-result"; }),
              HasSubstr(R"(the format is "vitrail-result"; expected "vitrail-folds")"));
  EXPECT_THAT(message([](Json& json) { json["version"] = 2; }), HasSubstr("the version is 2; expected 1"));
  EXPECT_THAT(message([](Json& json) { json.erase("models"); }), HasSubstr("models is missing; expected a list"));
  EXPECT_THAT(message([](Json& json) { json["models"] = {"a.onnx"}; }), HasSubstr("expected two or more"));
  EXPECT_THAT(message([](Json& json) { json["models"][1] = 5; }), HasSubstr("models[1] is 5; expected a path"));
  EXPECT_THAT(message([](Json& json) { json["images"] = "all"; }), HasSubstr("images is \"all\"; expected a list"));
  EXPECT_THAT(message([](Json& json) { json["images"] = Json::array(); }), HasSubstr("no image is of fold 0"));
  EXPECT_THAT(message([](Json& json) { json["images"][1] = 5; }), HasSubstr("images[1] is 5"));
  for (const char* key : {"path", "label", "fold"})
    EXPECT_THAT(message([&](Json& json) { json["images"][1].erase(key); }),
                HasSubstr("images[1]." + std::string(key) + " is missing"));
  EXPECT_THAT(message([](Json& json) { json["images"][2]["path"] = "img/../img/0.png"; }), HasSubstr("listed twice"));
  EXPECT_THAT(message([](Json& json) { json["images"][0]["path"] = "img/9.png"; }), HasSubstr("img/9.png, which does"));
  EXPECT_THAT(message([](Json& json) { json["images"][0]["path"] = "img"; }), HasSubstr("which does not exist"));
  for (const Json& label : {Json(-1), Json(2.5), Json(""), Json("top1"), Json(true), Json(UINT64_MAX)})
    EXPECT_THAT(message([&](Json& json) { json["images"][0]["label"] = label; }),
                HasSubstr("images[0].label is " + label.dump() + "; expected the index of a class, or its name"));
  for (const Json& fold : {Json(2), Json(-1), Json(0.5), Json("0"), Json(UINT64_MAX)})
    EXPECT_THAT(message([&](Json& json) { json["images"][0]["fold"] = fold; }),
                HasSubstr("images[0].fold is " + fold.dump() + "; expected a fold that has a model: 0 to 1"));
  EXPECT_THAT(message([](Json& json) { json["images"][0]["fold"] = 1; }), HasSubstr("no image is of fold 0"));
}

TEST_F(FoldManifestFile, ThatIsNoJsonOrNoFileIsRefused) {
  const auto refusal = [&](const std::string& text) {
    write(folder_ / "folds.json", text);
    return message_of<InputError>([&] { read_fold_manifest(folder_ / "folds.json"); });
  };
  EXPECT_THAT(refusal("{\"format\":"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string(100000, '[')), HasSubstr("nested"));
  EXPECT_THAT(refusal("\xff\xfe"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(""), HasSubstr("cannot be read"));
  EXPECT_THAT(message_of<InputError>([&] { read_fold_manifest(folder_); }), HasSubstr("cannot be read"));
  EXPECT_THAT(message_of<InputError>([&] { read_fold_manifest(folder_ / "none.json"); }), HasSubstr("cannot be read"));
}

TEST_F(FoldManifestFile, DamagedIsTakenOrRefused) {
  testing::Random random(5);
  const std::string good = json_.dump();
  int taken = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    write(folder_ / "folds.json", testing::damage_bytes(good, random));
    try {
      const FoldManifest manifest = read_fold_manifest(folder_ / "folds.json");
      for (const FoldImage& image : manifest.images)
        EXPECT_LT(image.fold, static_cast<int64_t>(manifest.models.size()));
      ++taken;
    } catch (const Error& error) {  // any other exception fails the test
      EXPECT_NE(error.exit_code(), ExitCode::bug) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_GT(refused, 1000);
}

TEST_F(FoldManifestFile, WhoseModelIsMissingIsOfNoUse) {
  fs::remove(folder_ / "models/b.onnx");
  EXPECT_THAT(message_of<ModelError>([&] { read(); }), HasSubstr("models/b.onnx, which does not exist"));
}

TEST_F(FoldManifestFile, WrittenAndReadIsTheSame) {
  const FoldManifest manifest = read();
  fs::create_directories(folder_ / "elsewhere");
  write_fold_manifest(manifest, folder_ / "elsewhere/folds.json");
  std::ifstream file(folder_ / "elsewhere/folds.json");
  EXPECT_EQ(Json::parse(file)["models"][1], "../models/b.onnx");
  const FoldManifest again = read_fold_manifest(folder_ / "elsewhere/folds.json");
  EXPECT_EQ(again.models, manifest.models);
  ASSERT_EQ(again.images.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again.images[i].path, manifest.images[i].path);
    EXPECT_EQ(again.images[i].label, manifest.images[i].label);
    EXPECT_EQ(again.images[i].fold, manifest.images[i].fold);
  }
}

TEST_F(FoldManifestFile, SplitsFoldersOfClasses) {
  for (const char* name : {"cat/1.jpg", "cat/2.png", "cat/notes.txt", "dog/1.jpg", "dog/2.webp", "dog/3.jpg", "x.jpg"})
    write(folder_ / "photos" / name);
  const FoldManifest manifest = split_class_folders(folder_ / "photos", 2, 1, "nets");
  EXPECT_THAT(manifest.models, ElementsAre("nets/without_0.onnx", "nets/without_1.onnx"));
  std::vector<std::string> labels;
  int64_t second = 0;
  for (const FoldImage& image : manifest.images) {
    labels.push_back(image.label);
    second += image.fold;
    EXPECT_EQ(image.path.parent_path().filename(), image.label);
  }
  EXPECT_THAT(labels, ElementsAre("cat", "cat", "dog", "dog", "dog"));
  EXPECT_EQ(second, 2);
  EXPECT_THAT(message_of<InputError>([&] { split_class_folders(folder_ / "img"); }), HasSubstr("one folder a class"));
  EXPECT_THAT(message_of<UsageError>([&] { split_class_folders(folder_ / "photos", 9); }),
              HasSubstr("found 9 folds of 5 images"));
}

TEST(ClassesOfLabels, AreIndicesOrNames) {
  const Model model = linear_model(at::zeros({4, 12}), at::zeros({4}), 2);
  const auto classes = [&](const char* label) {
    const std::vector<FoldImage> images = {{.label = "2"}, {.label = label}, {.label = "2"}};
    return classes_of_labels(model, images);
  };
  EXPECT_THAT(classes("03"), ElementsAre(2, 3, 2));
  EXPECT_THAT(message_of<InputError>([&] { classes("4"); }), HasSubstr("class 4 does not exist"));
  EXPECT_THAT(message_of<InputError>([&] { classes("cat"); }), HasSubstr("the model has no labels"));
  EXPECT_THAT(message_of<InputError>([&] { classes("top1"); }), HasSubstr("is a rank"));
}

}  // namespace
}  // namespace vitrail
