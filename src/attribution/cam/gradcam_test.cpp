#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/gradcam.h>
#include <vitrail/method.h>

#include "attribution/maps.h"
#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor photos() { return wave(6, 15, 19, 0.37).view({2, 3, 15, 19}); }

/// Class activation maps of a pooled net, divided by the number of positions: [h,w].
Tensor class_activation(const PooledNet& net, const Tensor& photo, int64_t index) {
  const Tensor hidden = net.hidden(photo.unsqueeze(0))[0];
  const Tensor weights = net.head_weights()[index].view({-1, 1, 1});
  return (weights * hidden).sum(0) / static_cast<double>(hidden.size(1) * hidden.size(2));
}

TEST(GradCam, IsTheClassActivationMapOnPooledNets) {
  const PooledNet net({0, 3});
  const auto results = gradcam(net, photos());
  ASSERT_EQ(results.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const Tensor expected = class_activation(net, photos()[static_cast<int64_t>(i / 2)], i % 2 == 0 ? 0 : 3).relu();
    EXPECT_GT(expected.max().item<double>(), 0.01);
    EXPECT_TRUE(results[i].cells.allclose(expected, 1e-4, 1e-6));
    EXPECT_EQ(results[i].map.sizes(), (std::vector<int64_t>{15, 19}));
    EXPECT_TRUE(results[i].map.equal(upsample(results[i].cells, 15, 19, Interpolation::bicubic).relu()));
    EXPECT_FALSE(results[i].is_signed);
    EXPECT_EQ(results[i].plan.at("layer"), "relu");
    EXPECT_EQ(results[i].plan.at("layer_alternatives"), "conv");
  }
}

TEST(GradCam, SignedCellsAddUpToTheScoreLessItsBias) {
  const PooledNet net({0, 1, 2, 3});
  const auto results = gradcam(net, photos().narrow(0, 0, 1), {.relu = false});
  for (size_t t = 0; t < 4; ++t) {
    const double bias = net.head_bias()[static_cast<int64_t>(t)].item<double>();
    EXPECT_NEAR(results[t].cells.sum().item<double>(), results[t].score - bias, 1e-5);
    EXPECT_TRUE(results[t].is_signed);
    EXPECT_EQ(results[t].backwards, 4);
    EXPECT_EQ(results[t].forwards, 1);
  }
}

TEST(GradCam, LayersAndTheirAlternatives) {
  const PooledNet net({0});
  const auto early = gradcam(net, photos(), {.layer = "conv"});
  EXPECT_EQ(early[0].plan.at("layer"), "conv");
  EXPECT_EQ(early[0].plan.at("layer_alternatives"), "relu");
  EXPECT_FALSE(early[0].cells.equal(gradcam(net, photos())[0].cells));
  EXPECT_THROW(gradcam(net, photos(), {.layer = "conv7"}), UsageError);
}

TEST(GradCam, SaysWhenNothingSpeaksForTheTarget) {
  class Against : public PooledNet {
   public:
    Against() : PooledNet({0}) {}
    Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
      return -value.flatten(1).sum(1, true);
    }
    Tensor activation(const Tensor& x, const std::string&) const override { return hidden(x) + 1; }
  } net;
  const auto result = gradcam(net, photos())[0];
  EXPECT_EQ(result.map.max().item<double>(), 0);
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("speaks against"), HasSubstr("zero everywhere")));
  EXPECT_LT(gradcam(net, photos(), {.relu = false})[0].map.max().item<double>(), 0);
}

TEST(GradCam, NeedsLayers) {
  EXPECT_THROW(parse_method("gradcam")->explain(linear_scorer(wave(3, 15, 19, 1)), photos(), {}), UsageError);
  class Flat : public PooledNet {
   public:
    Flat() : PooledNet({0}) {}
    std::vector<LayerInfo> spatial_layers() const override { return {}; }
  } net;
  EXPECT_THROW(gradcam(net, photos()), UsageError);
}

}  // namespace
}  // namespace vitrail
