#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/compressed_size.h>
#include <vitrail/effective_complexity.h>
#include <vitrail/entropy.h>
#include <vitrail/gini.h>
#include <vitrail/image.h>

#include <cmath>
#include <string>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

MetricCase of(const Tensor& map) { return {.map = map}; }

Tensor one_hot(float value) {
  Tensor map = at::zeros({6, 7});
  map[2][3] = value;
  return map;
}

TEST(Complexity, OfOnePixelAndOfAllAlike) {
  for (const float value : {0.3f, -4.0f}) {
    EXPECT_EQ(entropy(of(one_hot(value))).value, 0);
    EXPECT_NEAR(gini(of(one_hot(value))).value, 1 - 1.0 / 42, 1e-12);
    EXPECT_EQ(effective_complexity(of(one_hot(value))).value, 1);
    const MetricCase uniform = of(at::full({6, 7}, value));
    EXPECT_NEAR(entropy(uniform).value, std::log(42), 1e-12);
    EXPECT_NEAR(entropy(uniform).parts.at("relative"), 1, 1e-12);
    EXPECT_NEAR(gini(uniform).value, 0, 1e-12);
    EXPECT_EQ(effective_complexity(uniform).value, 42);
    EXPECT_EQ(effective_complexity(uniform).parts.at("share"), 1);
  }
}

TEST(Complexity, OfAFewValuesByHand) {
  const MetricCase map = of(at::tensor({1.0f, -2.0f, 0.0f, 1.0f}).view({2, 2}));
  EXPECT_NEAR(entropy(map).value, 1.5 * std::log(2), 1e-12);
  EXPECT_NEAR(gini(map).value, (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 2) / (4.0 * 4), 1e-12);
  EXPECT_EQ(effective_complexity(map).value, 3);
  EXPECT_EQ(effective_complexity(map, {.share = 0.5}).value, 1);  // 1 is not above half of 2
  EXPECT_EQ(effective_complexity(map, {.share = 0.49}).value, 3);
}

TEST(Complexity, IgnoresSignAndScale) {
  const Tensor map = at::randn({6, 7}, at::kDouble);
  for (const char* name : {"entropy", "gini", "effective_complexity"}) {
    const auto metric = parse_metric(name);
    EXPECT_NEAR(metric->score(of(map)).value, metric->score(of(map.abs() * -3)).value, 1e-12) << name;
  }
}

TEST(Complexity, AMapOfZerosHasNoValue) {
  for (const MetricInfo& info : metrics()) {
    if (info.family != "complexity") continue;
    const MetricScore score = parse_metric(info.name)->score(of(at::zeros({6, 7})));
    EXPECT_TRUE(std::isnan(score.value)) << info.name;
    EXPECT_THAT(score.undefined, HasSubstr("zero everywhere")) << info.name;
  }
}

TEST(CompressedSize, IsThatOfTheFile) {
  // At its own size the picture is the map itself.
  const Tensor map = at::arange(64, at::kFloat).view({8, 8}), picture = (map * (255.0 / 63)).round().to(at::kByte);
  for (const int64_t quality : {20, 90})
    EXPECT_EQ(compressed_size(of(map * 3 - 5), {.quality = quality, .size = 8}).value,
              static_cast<double>(encode_jpeg(picture.unsqueeze(2), static_cast<int>(quality)).size()));
}

TEST(CompressedSize, GrowsWithWhatThereIsToSay) {
  const double constant = compressed_size(of(at::full({32, 32}, 0.3f))).value;
  const double ramp = compressed_size(of(at::arange(1024, at::kFloat).view({32, 32}))).value;
  const double noise = compressed_size(of(at::randn({224, 224}))).value;
  EXPECT_LT(constant, ramp);
  EXPECT_LT(2 * ramp, noise);
  EXPECT_LT(compressed_size(of(at::randn({224, 224})), {.quality = 50}).value, noise);
  EXPECT_LT(compressed_size(of(at::randn({224, 224})), {.size = 112}).value, noise / 2);
}

TEST(CompressedSize, RefusesOptionsOutOfRange) {
  EXPECT_THAT(message_of<UsageError>([&] { compressed_size(of(one_hot(1)), {.quality = 101}); }),
              HasSubstr("quality=101"));
  EXPECT_THAT(message_of<UsageError>([&] { effective_complexity(of(one_hot(1)), {.share = 1}); }),
              HasSubstr("share=1"));
}

TEST(CompressedSize, StringsAndTypedCallsAreTheSame) {
  const MetricCase map = of(at::randn({30, 20}));
  const auto metric = parse_metric("jpeg_size:quality=40");
  EXPECT_EQ(metric->canonical(), "compressed_size:quality=40,size=224");
  EXPECT_EQ(metric->score(map).value, compressed_size(map, {.quality = 40}).value);
  EXPECT_EQ(parse_metric("complexity")->score(map).value, entropy(map).value);
  EXPECT_EQ(parse_metric("sparseness")->canonical(), "gini");
}

}  // namespace
}  // namespace vitrail
