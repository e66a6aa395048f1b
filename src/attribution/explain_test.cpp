#include "vitrail/explain.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/gradcam.h>
#include <vitrail/gradient_x_input.h>
#include <vitrail/integrated_gradients.h>
#include <vitrail/method.h>
#include <vitrail/occlusion.h>
#include <vitrail/rise.h>
#include <vitrail/saliency.h>
#include <vitrail/smoothgrad.h>
#include <vitrail/sobol.h>

#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using testing::OnnxBuilder;

/// A network from a file and a photo of another size than its input.
class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest()
      : model_(Model::load(OnnxBuilder()
                               .input("x", {-1, 3, 8, 8})
                               .initializer("conv.weight", at::randn({6, 3, 3, 3}))
                               .initializer("head.weight", at::randn({6, 4}))
                               .node("Conv", {"x", "conv.weight"}, {"conv"})
                               .node("Relu", {"conv"}, {"features"})
                               .node("GlobalAveragePool", {"features"}, {"pooled"})
                               .node("Flatten", {"pooled"}, {"flat"})
                               .node("MatMul", {"flat", "head.weight"}, {"y"})
                               .output("y")
                               .save(),
                           {.preprocess = "unit"})) {
    image_.pixels = at::randint(0, 256, {11, 13, 3}, at::kByte);
  }

  /// The long way: photo to tensor, target string to probe, method string to method.
  std::vector<Explanation> step_by_step(const std::string& method, const std::string& target) const {
    const Tensor input = model_.prepare(image_).input;
    const std::vector<std::string> strings = {target};
    const auto probe = model_.probe(resolve_targets(strings, model_.logits(input)[0], model_.labels()));
    return parse_method(method)->explain(*probe, input, {});
  }

  Model model_;
  Image image_;
};

void expect_same(const std::vector<Explanation>& found, const std::vector<Explanation>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].method, expected[i].method);
    EXPECT_EQ(found[i].target.slug(), expected[i].target.slug());
    EXPECT_TRUE(at::equal(found[i].map, expected[i].map)) << found[i].method;
    EXPECT_EQ(found[i].score, expected[i].score);
    EXPECT_EQ(found[i].forwards, expected[i].forwards);
  }
}

TEST_F(ExplainTest, IsTheLongWayInOneCall) {
  for (const std::string method : {"saliency", "gradcam", "rise:masks=20", "sobol:grid=2,designs=4"})
    expect_same(explain(model_, image_, method, "top2"), step_by_step(method, "top2"));
}

TEST_F(ExplainTest, GivesMethodsInTheirOrderAndTargetsWithin) {
  const auto results = explain(model_, image_, "occlusion:patch=4,stride=4,saliency", "top3");
  ASSERT_EQ(results.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(results[i].name, i < 3 ? "occlusion" : "saliency");
    EXPECT_EQ(results[i].target.slug(), results[i % 3].target.slug());
    EXPECT_EQ(results[i].map.sizes().vec(), (std::vector<int64_t>{8, 8}));
  }
  EXPECT_NE(results[0].target.slug(), results[1].target.slug());
}

TEST_F(ExplainTest, EveryMethodHasAFunctionThatSaysTheSame) {
  expect_same(saliency(model_, image_, "1"), step_by_step("saliency", "1"));
  expect_same(gradient_x_input(model_, image_, "1"), step_by_step("gradient_x_input", "1"));
  expect_same(integrated_gradients(model_, image_, "1"), step_by_step("integrated_gradients", "1"));
  expect_same(smoothgrad(model_, image_, "1"), step_by_step("smoothgrad", "1"));
  expect_same(gradcam(model_, image_, "1"), step_by_step("gradcam", "1"));
  expect_same(occlusion(model_, image_, "1", {.patch = 4, .stride = 2}),
              step_by_step("occlusion:patch=4,stride=2", "1"));
  expect_same(rise(model_, image_, "1", {.masks = 20}), step_by_step("rise:masks=20", "1"));
  expect_same(sobol(model_, image_, "1", {.grid = 2, .designs = 4}), step_by_step("sobol:grid=2,designs=4", "1"));
}

TEST_F(ExplainTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(explain(model_, image_, "sobl"), UsageError);
  EXPECT_THROW(explain(model_, image_, "saliency", "top9"), UsageError);
  EXPECT_THROW(explain(model_, image_, "saliency", "tabby cat"), UsageError);
  EXPECT_THROW(explain(model_, image_, "gradcam:layer=layer9", "top1"), UsageError);
  EXPECT_THROW(explain(model_, Image(), "saliency"), InputError);
}

}  // namespace
}  // namespace vitrail
