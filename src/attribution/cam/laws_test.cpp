// The laws that every class activation map obeys, whatever its mathematics.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <atomic>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 15, width = 19;

/// As PooledNet, and it says how large its layers are.
class Net : public PooledNet {
 public:
  using PooledNet::PooledNet;
  std::vector<LayerInfo> spatial_layers() const override {
    auto layers = PooledNet::spatial_layers();
    for (LayerInfo& layer : layers) {
      layer.channels = kernels;
      layer.height = (height - 3) / 2 + 1;
      layer.width = (width - 3) / 2 + 1;
    }
    return layers;
  }
};

std::vector<Explanation> explain(const std::string& method, const Probe& probe, const Tensor& inputs,
                                 const Execution& execution = {}) {
  return parse_method(method)->explain(probe, inputs, execution);
}

Tensor photo(double frequency = 0.37) { return wave(3, height, width, frequency).unsqueeze(0); }

double difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() / std::max((a.max() - a.min()).item<double>(), 1e-12);
}

class CamLaws : public testing::TestWithParam<const char*> {
 protected:
  std::string name() const { return GetParam(); }
  std::string method() const { return name() + ":relu=false" + own(); }
  /// Options that keep a law quick and the map full.
  std::string own() const {
    if (name() == "fem") return ",deviations=0.3";
    if (samples() || name() == "is_cam") return ",samples=12";
    return "";
  }
  bool samples() const { return name() == "ss_cam" || name() == "smooth_gradcam_pp"; }
  bool draws() const { return samples() || name() == "random_cam"; }
  bool knows_no_target() const { return name() == "eigen_cam" || name() == "fem" || name() == "random_cam"; }
  /// Many steps, so that it can be stopped between them.
  bool is_long() const {
    static const std::set<std::string> names = {"scorecam",    "ss_cam",       "is_cam",
                                                "recipro_cam", "ablation_cam", "smooth_gradcam_pp"};
    return names.count(name()) > 0;
  }
  const Net net_{{0, 3}};
};
INSTANTIATE_TEST_SUITE_P(Methods, CamLaws,
                         testing::Values("cam", "gradcam", "gradcam_pp", "smooth_gradcam_pp", "hirescam",
                                         "elementwise_cam", "layercam", "xgradcam", "shapley_cam", "eigen_cam",
                                         "eigen_gradcam", "fem", "random_cam", "scorecam", "ss_cam", "is_cam",
                                         "ablation_cam", "recipro_cam"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CamLaws, HoldForEveryMethodOfTheFamily) {
  std::set<std::string> tested, known;
  const auto* suite = testing::UnitTest::GetInstance();
  for (int i = 0; i < suite->total_test_suite_count(); ++i)
    if (std::string(suite->GetTestSuite(i)->name()) == "Methods/CamLaws")
      for (int j = 0; j < suite->GetTestSuite(i)->total_test_count(); ++j) {
        const std::string test = suite->GetTestSuite(i)->GetTestInfo(j)->name();
        tested.insert(test.substr(test.find('/') + 1));
      }
  for (const MethodInfo& info : methods())
    if (info.family == "cam") known.insert(info.name);
  EXPECT_EQ(tested, known);
}

TEST_P(CamLaws, FillsTheResult) {
  const auto results = explain(method(), net_, photo());
  ASSERT_EQ(results.size(), 2u);
  for (const Explanation& result : results) {
    EXPECT_EQ(result.name, name());
    EXPECT_EQ(result.map.sizes(), (std::vector<int64_t>{height, width}));
    EXPECT_EQ(result.map.scalar_type(), at::kFloat);
    EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{7, 9}));
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_TRUE(result.is_signed);
    EXPECT_FALSE(result.unit.empty());
    EXPECT_EQ(result.plan.at("layer"), "relu");
    EXPECT_EQ(result.plan.at("layer_alternatives"), "conv");
    EXPECT_FALSE(result.partial);
    EXPECT_EQ(parse_method(result.method)->canonical(), result.method);
    EXPECT_EQ(result.standard_error.defined(), samples());
  }
  EXPECT_NEAR(results[1].score, net_.score(photo())[0][1].item<double>(), 1e-5);
}

TEST_P(CamLaws, WithReluOnlyWhatSpeaksForTheTarget) {
  for (const Explanation& result : explain(name() + ":relu=true" + own(), net_, photo())) {
    EXPECT_FALSE(result.is_signed);
    EXPECT_GE(result.map.min().item<double>(), 0);
  }
}

TEST_P(CamLaws, DoesNotDependOnTheBatch) {
  const auto one = explain(method(), net_, photo(), {.batch = 1});
  for (const int64_t batch : {7, 64}) {
    const auto other = explain(method(), net_, photo(), {.batch = batch});
    for (size_t t = 0; t < one.size(); ++t) {
      EXPECT_LT(difference(one[t].map, other[t].map), 1e-5) << "batch " << batch;
      EXPECT_EQ(one[t].forwards, other[t].forwards);
    }
  }
}

TEST_P(CamLaws, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = explain(method(), net_, photo());
  at::set_num_threads(2);
  const auto two = explain(method(), net_, photo());
  at::set_num_threads(threads);
  for (size_t t = 0; t < one.size(); ++t) EXPECT_LT(difference(one[t].map, two[t].map), 1e-5);
}

TEST_P(CamLaws, SameSeedSameBytes) {
  const auto first = explain(method(), net_, photo()), second = explain(method(), net_, photo());
  for (size_t t = 0; t < first.size(); ++t) EXPECT_TRUE(at::equal(first[t].map, second[t].map));
}

TEST_P(CamLaws, AnotherSeedDiffers) {
  if (!draws()) GTEST_SKIP() << "draws nothing";
  const std::string early = method() + ",layer=conv";  // behind the ReLU the gradient does not depend on the input
  EXPECT_FALSE(
      at::equal(explain(early + ",seed=1", net_, photo())[0].map, explain(early + ",seed=2", net_, photo())[0].map));
}

TEST_P(CamLaws, TargetsTogetherAreTargetsAlone) {
  const auto together = explain(method(), net_, photo());
  const auto first = explain(method(), Net({0}), photo()), second = explain(method(), Net({3}), photo());
  EXPECT_LT(difference(together[0].map, first[0].map), 1e-5);
  EXPECT_LT(difference(together[1].map, second[0].map), 1e-5);
  EXPECT_EQ(at::equal(together[0].map, together[1].map), knows_no_target());
}

TEST_P(CamLaws, InputsTogetherAreInputsAlone) {
  const auto together = explain(method(), net_, at::cat({photo(), photo(0.91)}));
  ASSERT_EQ(together.size(), 4u);
  EXPECT_TRUE(at::equal(together[1].map, explain(method(), net_, photo())[1].map));
  EXPECT_TRUE(at::equal(together[2].map, explain(method(), net_, photo(0.91))[0].map));
}

TEST_P(CamLaws, LeavesTheInputAlone) {
  const Tensor input = photo(), copy = input.clone();
  explain(method() + ",augment=true", net_, input);
  EXPECT_TRUE(at::equal(input, copy));
}

TEST_P(CamLaws, CostsWhatItSays) {
  for (const char* more : {"", ",augment=true", ",layer=auto+conv"}) {
    if (name() == "cam" && std::string(more).starts_with(",layer")) continue;  // refuses the convolution
    const auto results = explain(method() + more, net_, photo());
    const Method::Cost cost = parse_method(method() + more)->cost_on(net_, height, width);
    EXPECT_EQ(results[0].forwards, cost.forwards) << more;
    EXPECT_EQ(results[0].backwards, cost.backwards) << more;
  }
}

TEST_P(CamLaws, EveryCommonOptionMatters) {
  const Tensor plain = explain(method(), net_, photo())[0].map;
  EXPECT_FALSE(at::equal(plain, explain(name() + ":relu=true" + own(), net_, photo())[0].map) &&
               plain.min().item<double>() < 0);
  EXPECT_FALSE(at::equal(plain, explain(method() + ",augment=true", net_, photo())[0].map));
  class Shifted : public Net {  // another layer, of other values and the same head
   public:
    using Net::Net;
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return layer == "shifted" ? Net::activation(x, "relu") + ramp() : Net::activation(x, layer);
    }
    Tensor score_from(const Tensor& x, const std::string& layer, const Tensor& value) const override {
      return layer == "shifted" ? Net::score_from(x, "relu", value - ramp()) : Net::score_from(x, layer, value);
    }

   private:
    static Tensor ramp() { return wave(kernels, 7, 9, 0.21).unsqueeze(0); }
  } shifted({0, 3});
  EXPECT_FALSE(at::equal(plain, explain(method() + ",layer=shifted", shifted, photo())[0].map));
  bool has_principal = false;
  for (const OptionInfo& option : parse_method(name())->info().options) has_principal |= option.name == "principal";
  EXPECT_EQ(has_principal, name() != "eigen_cam" && name() != "eigen_gradcam" && name() != "recipro_cam");
  if (has_principal) {
    EXPECT_FALSE(at::equal(plain, explain(method() + ",principal=true", net_, photo())[0].map));
  }
}

TEST_P(CamLaws, AConstantScoreIsDiagnosed) {
  class Constant : public Net {
   public:
    using Net::Net;
    Tensor score(const Tensor& x) const override { return x.flatten(1).sum(1, true).mul(0).add(3); }
    Tensor score_from(const Tensor&, const std::string&, const Tensor& value) const override {
      return value.flatten(1).sum(1, true).mul(0).add(3);
    }
  } net({0});
  const auto result = explain(method(), net, photo())[0];
  EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
  if (knows_no_target() || name() == "scorecam" || name() == "ss_cam" || name() == "is_cam")
    GTEST_SKIP() << "shows what the layer sees, whatever the score";
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_FALSE(result.warnings.empty());
}

TEST_P(CamLaws, ABudgetGivesAValidPartialResult) {
  if (!is_long()) GTEST_SKIP() << "one step";
  const Method::Cost cost = parse_method(method())->cost_on(net_, height, width);
  Execution execution{.batch = 2};
  execution.budget.forwards = (cost.forwards + cost.backwards) * 2 / 3;
  for (const Explanation& result : explain(method(), net_, photo(), execution)) {
    EXPECT_TRUE(result.partial);
    EXPECT_LE(result.forwards + result.backwards, *execution.budget.forwards);
    EXPECT_GT(result.forwards, 1);
    EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
    EXPECT_GT(result.map.abs().max().item<double>(), 0);
  }
}

TEST_P(CamLaws, ABudgetOfTheWholeCostIsNoStop) {
  const Method::Cost cost = parse_method(method())->cost_on(net_, height, width);
  Execution execution;
  execution.budget.forwards = cost.forwards + cost.backwards;
  const auto results = explain(method(), net_, photo(), execution);
  EXPECT_FALSE(results[0].partial);
  EXPECT_TRUE(at::equal(results[0].map, explain(method(), net_, photo())[0].map));
}

TEST_P(CamLaws, CancelledBeforeTheFirstForwardIsZeroAndSaysSo) {
  const std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto results = explain(method(), net_, photo(), execution);
  EXPECT_TRUE(results[0].partial);
  EXPECT_EQ(results[0].forwards, 0);
  EXPECT_EQ(results[0].map.abs().max().item<double>(), 0);
  EXPECT_FALSE(results[0].warnings.empty());
}

TEST_P(CamLaws, TellsItsProgress) {
  struct Recorder : Listener {
    int64_t begun = 0, last = 0, total = 0, ended = 0;
    void on_begin(const std::string&, int64_t steps) override { ++begun, total = steps; }
    void on_progress(int64_t done, int64_t) override { last = done; }
    void on_end() override { ++ended; }
  } recorder;
  Execution execution;
  execution.listener = &recorder;
  explain(method(), net_, photo(), execution);
  EXPECT_EQ(recorder.begun, 1);
  EXPECT_EQ(recorder.ended, 1);
  EXPECT_EQ(recorder.last, recorder.total);
}

/// A layer and an Identity behind it.
TEST_P(CamLaws, AnIdentityBehindTheLayerChangesNothing) {
  class Twice : public Net {
   public:
    using Net::Net;
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return Net::activation(x, layer == "identity" ? "relu" : layer);
    }
    Tensor score_from(const Tensor& x, const std::string& layer, const Tensor& value) const override {
      return Net::score_from(x, layer == "identity" ? "relu" : layer, value);
    }
  } twice({0, 3});
  EXPECT_TRUE(at::equal(explain(method(), twice, photo())[1].map,
                        explain(method() + ",layer=identity", twice, photo())[1].map));
}

/// Mirrored input, mirrored convolution: here by the layer itself.
TEST_P(CamLaws, ChannelsInAnotherOrderGiveTheSameMap) {
  if (name() == "random_cam") GTEST_SKIP() << "its weights belong to channel numbers";
  if (name() == "ss_cam") GTEST_SKIP() << "its noise belongs to channel numbers";
  class Reversed : public Net {
   public:
    using Net::Net;
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return Net::activation(x, layer).flip(1);
    }
    Tensor score_from(const Tensor& x, const std::string& layer, const Tensor& value) const override {
      return Net::score_from(x, layer, value.flip(1));
    }
  } reversed({0, 3});
  EXPECT_LT(difference(explain(method(), net_, photo())[1].map, explain(method(), reversed, photo())[1].map), 1e-5);
}

TEST_P(CamLaws, RefusesWhatHasNoLayers) {
  EXPECT_THROW(parse_method(method())->explain(linear_scorer(wave(3, height, width, 1)), photo(), {}), UsageError);
  EXPECT_THROW(explain(method() + ",layer=conv7", net_, photo()), UsageError);
  class Flat : public Net {
   public:
    using Net::Net;
    std::vector<LayerInfo> spatial_layers() const override { return {}; }
  } flat({0});
  EXPECT_THROW(explain(method(), flat, photo()), UsageError);
}

}  // namespace
}  // namespace vitrail
