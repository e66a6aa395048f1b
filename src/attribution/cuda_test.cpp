// Explanations from a model on a CUDA device are those from the CPU. Skipped where there is none.

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using testing::OnnxBuilder;
using Sizes = std::vector<int64_t>;

class CudaExplanationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "libtorch sees no CUDA device";
    const std::string path = OnnxBuilder()
                                 .input("x", {-1, 3, 24, 24})
                                 .initializer("w1", at::randn({16, 3, 3, 3}) * 0.3)
                                 .initializer("w2", at::randn({24, 16, 3, 3}) * 0.1)
                                 .initializer("head", at::randn({24, 4}) + 1)  // mostly for: no map is 0 everywhere
                                 .node("Conv", {"x", "w1"}, {"c1"})
                                 .attribute("pads", Sizes{1, 1, 1, 1})
                                 .node("Relu", {"c1"}, {"r1"})
                                 .node("Conv", {"r1", "w2"}, {"c2"})
                                 .attribute("strides", Sizes{2, 2})
                                 .node("Relu", {"c2"}, {"r2"})
                                 .node("GlobalAveragePool", {"r2"}, {"a"})
                                 .node("Flatten", {"a"}, {"f"})
                                 .node("MatMul", {"f", "head"}, {"y"})
                                 .output("y")
                                 .save();
    const auto load = [&](const std::string& device) {
      ModelOptions options;
      options.preprocess = "unit";
      options.graph.device = device;
      return Model::load(path, options);
    };
    on_cpu_.emplace(load("cpu"));
    on_device_.emplace(load("cuda"));
    input_ = at::rand({1, 3, 24, 24});
  }

  /// Differences of the maps over the range of the CPU's.
  double difference(const std::string& method, const Model& model) const {
    const std::vector<std::string> strings = {"2"};
    const auto map = [&](const Model& of) {
      const auto probe = of.probe(resolve_targets(strings, of.logits(input_)[0], of.labels()));
      return parse_method(method)->explain(*probe, input_, {})[0].map;
    };
    const Tensor expected = map(*on_cpu_), found = map(model);
    return ((found - expected).abs().max() / (expected.max() - expected.min())).item<double>();
  }

  std::optional<Model> on_cpu_, on_device_;
  Tensor input_;
};

TEST_F(CudaExplanationTest, OfScoresByAPlan) {
  const Model planned = on_device_->with_plan({.batch = 8}, input_);
  ASSERT_TRUE(planned.plan()) << planned.warnings().back();
  for (const std::string method : {"rise:masks=200,seed=1", "occlusion:patch=6,stride=3", "kernel_shap:seed=1",
                                   "sobol:grid=4,designs=8,seed=1", "lime:seed=1"})
    EXPECT_LE(difference(method, planned), 1e-3) << method;
}

TEST_F(CudaExplanationTest, OfScoresByAPlanInHalfPrecision) {
  const Model planned = on_device_->with_plan({.precision = "fp16", .batch = 8}, input_);
  ASSERT_TRUE(planned.plan()) << planned.warnings().back();
  EXPECT_EQ(planned.plan()->precision(), "fp16") << planned.warnings().back();
  EXPECT_LE(difference("occlusion:patch=6,stride=3", planned), 2e-2);
}

TEST_F(CudaExplanationTest, OfGradientsAndLayersByTheGraph) {
  for (const std::string method : {"saliency", "integrated_gradients", "smoothgrad:seed=1", "gradcam", "layercam",
                                   "lrp", "deeplift", "ablation_cam", "guided_backprop", "fullgrad"})
    EXPECT_LE(difference(method, *on_device_), 1e-3) << method;
}

}  // namespace
}  // namespace vitrail
