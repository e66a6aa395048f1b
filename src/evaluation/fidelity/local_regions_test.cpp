// Metrics that change region after region: what only computes the change says the same as whole images.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <gmock/gmock.h>
#include <vitrail/evaluate.h>
#include <vitrail/metric.h>
#include <vitrail/model.h>

#include <cstdlib>

#include "support/corpus.h"

namespace vitrail {
namespace {

TEST(LocalRegions, GiveTheSameCurvesOnARealNet) {
  const auto file = testing::corpus() / "models" / "imagenet" / "mobilenet_v1_0.25_224.onnx";
  if (!std::filesystem::is_regular_file(file)) {
    ASSERT_FALSE(std::getenv("VITRAIL_REQUIRE_CORPUS")) << file << " is not there";
    GTEST_SKIP() << file << " is not there (VITRAIL_CORPUS)";
  }
  at::manual_seed(3);
  PlanOptions options;
  options.incremental = "8x8:1 32x32:1 25x25:1";
  const Model net = Model::load(file).with_plan(options);
  ASSERT_TRUE(net.plan());
  Target logit;
  logit.index = 281;
  const auto probability = net.probe({*as_probability(logit)}), scorer = net.probe({logit});
  MetricCase map{.scorer = scorer.get(),
                 .probability = probability.get(),
                 .input = at::rand({3, 224, 224}) * 2 - 1,
                 .map = at::rand({224, 224})};
  for (const char* name : {"region_perturbation:regions=40,activation=none", "region_perturbation:regions=40",
                           "selectivity:patch=32", "irof:grid=4", "monotonicity:grid=7"}) {
    SCOPED_TRACE(name);
    const auto metric = parse_metric(name);
    map.execution.incremental = true;
    const MetricScore local = metric->score(map);
    map.execution.incremental = false;
    const MetricScore whole = metric->score(map);
    const double range = (whole.curve_y.max() - whole.curve_y.min()).item<double>();
    EXPECT_LE((local.curve_y - whole.curve_y).abs().max().item<double>(), 1e-5 * (1 + range));
    EXPECT_EQ(local.forwards, whole.forwards);
  }
}

}  // namespace
}  // namespace vitrail
