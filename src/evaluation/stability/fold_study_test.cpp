#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/explain.h>
#include <vitrail/fold_study.h>
#include <vitrail/metric.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "support/message_of.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::OnnxBuilder;

/// The classes are the mean red, green and blue of the image, each times its weight.
Model colours(float red, float green, float blue) {
  return Model::load(OnnxBuilder()
                         .input("x", {-1, 3, 4, 4})
                         .initializer("weight", at::tensor({red, green, blue}).diag())
                         .node("GlobalAveragePool", {"x"}, {"pooled"})
                         .node("Flatten", {"pooled"}, {"flat"})
                         .node("MatMul", {"flat", "weight"}, {"y"})
                         .output("y")
                         .save(),
                     {.preprocess = "unit"});
}

Image of_colour(int red, int green, int blue) {
  Image image;
  image.pixels = at::tensor({red, green, blue}).to(at::kByte).expand({4, 4, 3}).contiguous();
  return image;
}

/// A red and a green image; the model without the second sees no green.
struct Study {
  FoldData data{.image = [](int64_t i) { return i == 0 ? of_colour(200, 100, 0) : of_colour(100, 200, 0); },
                .labels = {0, 1},
                .folds = {0, 1}};
  std::vector<int64_t> asked;
  FoldMaps explain(const Execution& execution = {}) {
    const auto model = [this](int64_t fold) {
      asked.push_back(fold);
      return fold == 0 ? colours(1, 1, 1) : colours(1, 0.25, 1);
    };
    return explain_folds(data, model, "gradient_x_input", execution);
  }
};

TEST(FoldStudy, ExplainsEveryImageByEveryModelForItsLabel) {
  Study study;
  const FoldMaps maps = study.explain();
  EXPECT_THAT(study.asked, ElementsAre(0, 1));
  EXPECT_TRUE(maps.correct.equal(at::tensor({1, 1, 1, 0}).view({2, 2}).to(at::kBool)));
  EXPECT_EQ(maps.folds, study.data.folds);
  for (const int64_t image : {0, 1})
    for (const size_t model : {0, 1}) {
      const Tensor expected = vitrail::explain(model == 0 ? colours(1, 1, 1) : colours(1, 0.25, 1),
                                               study.data.image(image), "gradient_x_input", std::to_string(image))
                                  .at(0)
                                  .map;
      EXPECT_TRUE(maps.maps[model][image].equal(expected)) << model << image;
    }
  // Image 1 is the only one that the models differ about: a quarter of the map, and one model is wrong.
  EXPECT_TRUE(maps.maps[1][1].allclose(maps.maps[0][1] * 0.25));
  EXPECT_THAT(fold_distances(maps, MapDistance::l1).equal, ElementsAre(0));
  EXPECT_EQ(mege(maps, {.distance = MapDistance::l1}).reco, 1);
}

TEST(FoldStudy, SplitsImagesEvenlyAtRandom) {
  const std::vector<int64_t> folds = split_folds(10, 4, 1);
  std::vector<int64_t> sizes;
  for (int64_t fold = 0; fold < 4; ++fold) sizes.push_back(std::count(folds.begin(), folds.end(), fold));
  EXPECT_THAT(sizes, ElementsAre(3, 3, 2, 2));
  EXPECT_EQ(split_folds(10, 4, 1), folds);
  EXPECT_NE(split_folds(10, 4, 2), folds);
}

TEST(FoldStudy, HasNoPartialResult) {
  const std::atomic<bool> cancelled = true;
  Study study;
  EXPECT_THROW(study.explain({.cancelled = &cancelled}), CancelledError);
}

TEST(FoldStudy, RefusesWhatIsNoStudy) {
  const auto message = [](auto change) {
    Study study;
    change(study.data);
    return message_of<UsageError>([&] { study.explain(); });
  };
  EXPECT_THAT(message([](FoldData& data) { data.image = {}; }), HasSubstr("no function"));
  EXPECT_THAT(message([](FoldData& data) { data.labels = {0}; }), HasSubstr("found 1 labels and 2 folds"));
  EXPECT_THAT(message([](FoldData& data) { data.folds = {0, 2}; }), HasSubstr("no image is of fold 1"));
  EXPECT_THAT(message([](FoldData& data) { data.folds = {0, 0}; }), HasSubstr("two folds or more"));
  EXPECT_THAT(message([](FoldData& data) { data.labels = {0, 3}; }), HasSubstr("class 3 does not exist"));
  EXPECT_THAT(message_of<UsageError>([] { split_folds(3, 4); }), HasSubstr("found 4 folds of 3 images"));
}

}  // namespace
}  // namespace vitrail
