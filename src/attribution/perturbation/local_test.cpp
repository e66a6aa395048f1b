// Methods of images that differ little from known ones: by what changes they give the maps that whole images give.

#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/run.h"
#include "support/corpus.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::OnnxBuilder;

constexpr int64_t kSide = 40;

/// Sizes found to pay beforehand, so that nothing is timed: cells of a grid of 8, windows of 6, superpixels.
constexpr const char* kDecisions = "4x4:3 5x5:3 6x6:4 10x10:8 15x15:2 20x20:2 25x25:2 30x30:2 35x35:2 40x40:2";

Model model(const std::string& incremental = kDecisions) {
  at::manual_seed(4);
  OnnxBuilder net;
  net.input("x", {-1, 3, kSide, kSide});
  std::string x = "x";
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    net.initializer("w" + n, at::randn({6, i == 0 ? 3 : 6, 3, 3}) * 0.4).node("Conv", {x, "w" + n}, {"c" + n});
    net.attribute("pads", std::vector<int64_t>(4, 1)).node("Relu", {"c" + n}, {"r" + n});
    x = "r" + n;
  }
  net.node("GlobalAveragePool", {x}, {"p"}).node("Flatten", {"p"}, {"f"});
  net.initializer("head", at::randn({6, 5})).node("MatMul", {"f", "head"}, {"y"}).output("y");
  PlanOptions options;
  options.incremental = incremental;
  options.chunk = 2;
  return Model::load(net.save(), {.preprocess = "unit"}).with_plan(options);
}

std::vector<Explanation> explain(const Scorer& scorer, const std::string& method, const Tensor& image,
                                 const Execution& execution = {}) {
  return parse_method(method)->explain(scorer, image, execution);
}

Execution whole() {
  Execution execution;
  execution.incremental = false;
  return execution;
}

void expect_same_maps(const std::vector<Explanation>& found, const std::vector<Explanation>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const double range = (expected[i].map.max() - expected[i].map.min()).item<double>();
    EXPECT_GT(range, 0) << "says nothing";
    const auto near = [&](const Tensor& a, const Tensor& b) {
      ASSERT_EQ(a.defined(), b.defined());
      if (a.defined()) {
        EXPECT_LE((a - b).abs().max().item<double>(), 1e-5 * range);
      }
    };
    near(found[i].map, expected[i].map);
    near(found[i].cells, expected[i].cells);
    near(found[i].standard_error, expected[i].standard_error);
    if (found[i].name != "shapley") {  // of which whole images score a coalition that comes again once
      EXPECT_EQ(found[i].forwards, expected[i].forwards);
    }
    EXPECT_NEAR(found[i].score, expected[i].score, 1e-4);
  }
}

TEST(LocalMethods, GiveTheSameMaps) {
  const Model net = model();
  const auto probe = net.probe({target(0), target(3)});
  const Tensor image = at::rand({1, 3, kSide, kSide});
  for (const char* method :
       {"occlusion:patch=6,stride=3", "occlusion:patch=5,stride=5,baseline=blur",
        "morris:grid=8,designs=2,replicates=2", "sobol:grid=8,designs=2,replicates=2",
        "sobol:grid=8,designs=2,replicates=2,estimator=first_order",
        "morris:grid=4,designs=2,replicates=2,operation=amplitude", "morris:grid=7,designs=2,replicates=2",
        "morris:grid=4,designs=2,replicates=1,regions=slic", "feature_ablation:grid=8",
        "feature_ablation:grid=4,regions=slic,baseline=blur", "shapley:grid=8,permutations=6",
        "shapley:grid=7,permutations=3,antithetic=false,baseline=mean", "shapley:grid=4,permutations=20",
        "shapley:grid=4,permutations=4,regions=slic"}) {
    SCOPED_TRACE(method);
    const auto local = explain(*probe, method, image), expected = explain(*probe, method, image, whole());
    expect_same_maps(local, expected);
    EXPECT_TRUE(local[0].plan.contains("incremental"));
    EXPECT_FALSE(expected[0].plan.contains("incremental"));
  }
}

TEST(LocalMethods, CostNoMoreThanTheySay) {
  const Model net = model();
  const auto probe = net.probe({target(2)});
  const Tensor image = at::rand({1, 3, kSide, kSide});
  for (const char* method :
       {"shapley:grid=8,permutations=6", "shapley:grid=8,permutations=3,antithetic=false", "feature_ablation:grid=8"})
    for (const Execution& execution : {Execution(), whole()})
      EXPECT_LE(explain(*probe, method, image, execution)[0].forwards,
                parse_method(method)->cost(kSide, kSide, 1).forwards);
}

TEST(LocalMethods, RecordWhatPaidSoThatItCanBeDoneAgain) {
  const Tensor image = at::rand({1, 3, kSide, kSide});
  const auto net = model("5x5:4");
  const auto first = explain(*net.probe({target(1)}), "occlusion:patch=5,stride=5", image);
  EXPECT_EQ(first[0].plan.at("incremental"), "5x5:4");
  const auto again = model(first[0].plan.at("incremental"));
  EXPECT_TRUE(at::equal(explain(*again.probe({target(1)}), "occlusion:patch=5,stride=5", image)[0].map, first[0].map));
  const auto refused = explain(*model("5x5:0").probe({target(1)}), "occlusion:patch=5,stride=5", image);
  EXPECT_EQ(refused[0].plan.at("incremental"), "5x5:0");
  const auto never = explain(*model("none").probe({target(1)}), "occlusion:patch=5,stride=5", image);
  EXPECT_EQ(never[0].plan.at("incremental"), "none");
  expect_same_maps(first, refused);
  expect_same_maps(first, never);
}

TEST(LocalMethods, MeasureWhatIsNotKnown) {
  const auto found =
      explain(*model("auto").probe({target(1)}), "occlusion:patch=5,stride=5", at::rand({1, 3, kSide, kSide}));
  EXPECT_THAT(found[0].plan.at("incremental"), HasSubstr("5x5:"));
}

// A value that a change touches is computed from what it is made of, never added to: after any number of moves it is
// what it would be at once.
TEST(LocalMethods, ErrorsDoNotAddUpAlongAPath) {
  const Model net = model();
  const auto probe = net.probe({target(0), target(3)});
  const Tensor image = at::rand({3, kSide, kSide});
  const Perturber perturber(image, *probe, {}, 8, {});
  MethodRun run(*probe, image, {}, {}, 10);
  CoalitionScorer scorer(run, perturber);
  std::vector<CoalitionPath> paths(3);
  for (size_t p = 0; p < paths.size(); ++p)
    for (uint64_t round = 0; round < 20; ++round)  // 1280 moves; every other round hides what the one before has shown
      for (const int64_t region : draw_order(64, p, round)) paths[p].regions.push_back(region);
  const std::vector<Tensor> scores = scorer.score_paths(paths);
  ASSERT_TRUE(run.results()[0].plan.contains("incremental"));
  for (size_t p = 0; p < paths.size(); ++p) {
    Tensor shown = at::zeros({1, 64}, at::kDouble);
    const auto error = [&](int64_t step) {
      return (scores[p][step] - probe->score(perturber.images(shown))[0]).abs().max().item<double>();
    };
    const double range = (scores[p].amax(0) - scores[p].amin(0)).min().item<double>();
    EXPECT_LE(error(0), 1e-5 * range);
    for (size_t step = 0; step < paths[p].regions.size(); ++step) {
      shown[0][paths[p].regions[step]].neg_().add_(1);
      if (step % 40 == 39 || step + 3 > paths[p].regions.size()) {
        EXPECT_LE(error(static_cast<int64_t>(step) + 1), 1e-5 * range) << step;
      }
    }
    EXPECT_LE((scores[p][-1] - scores[p][0]).abs().max().item<double>(), 1e-6 * range) << "back where it began";
  }
}

// Separable convolutions, and plain ones with pooling.
TEST(LocalMethods, GiveTheSameMapsOnRealNets) {
  const auto models = testing::corpus() / "models" / "imagenet";
  if (!std::filesystem::is_directory(models)) {
    ASSERT_FALSE(std::getenv("VITRAIL_REQUIRE_CORPUS")) << models << " is not there";
    GTEST_SKIP() << models << " is not there (VITRAIL_CORPUS)";
  }
  at::manual_seed(3);
  for (const char* name : {"mobilenet_v1_0.25_224.onnx", "tiny_darknet_224.onnx"}) {
    SCOPED_TRACE(name);
    PlanOptions options;
    options.incremental = "28x28:8 32x32:8";
    const Model net = Model::load(models / name).with_plan(options);
    ASSERT_TRUE(net.plan());
    const auto probe = net.probe({target(1), target(200)});
    const Tensor image = at::randn({1, 3, 224, 224});
    for (const char* method : {"shapley:permutations=4", "feature_ablation"}) {
      SCOPED_TRACE(method);
      const auto local = explain(*probe, method, image);
      EXPECT_TRUE(local[0].plan.contains("incremental"));
      expect_same_maps(local, explain(*probe, method, image, whole()));
    }
  }
}

TEST(LocalMethods, BatchesOnlyRoundAndBudgetsStop) {
  const Model net = model();
  const auto probe = net.probe({target(2)});
  const Tensor image = at::rand({1, 3, kSide, kSide});
  for (const char* method : {"occlusion:patch=6,stride=3", "morris:grid=8,designs=2,replicates=2",
                             "feature_ablation:grid=13", "shapley:grid=8,permutations=6"}) {
    SCOPED_TRACE(method);
    Execution one, seven, stopped;
    one.batch = 1;
    seven.batch = 7;
    stopped.budget.forwards = 140;
    const auto expected = explain(*probe, method, image);
    expect_same_maps(explain(*probe, method, image, one), expected);
    expect_same_maps(explain(*probe, method, image, seven), expected);
    const auto partial = explain(*probe, method, image, stopped);
    EXPECT_TRUE(partial[0].partial);
    EXPECT_LE(partial[0].forwards, 140);
    stopped.incremental = false;
    if (method[0] != 'm') expect_same_maps(partial, explain(*probe, method, image, stopped));
  }
}

TEST(LocalMethods, BrokenPixelsGoTheWholeWay) {
  const Model net = model();
  const auto probe = net.probe({target(2)});
  Tensor image = at::rand({1, 3, kSide, kSide});
  image[0][1][7][7] = std::numeric_limits<float>::quiet_NaN();
  const auto local = explain(*probe, "occlusion:patch=5,stride=5", image),
             expected = explain(*probe, "occlusion:patch=5,stride=5", image, whole());
  EXPECT_TRUE(at::equal(local[0].cells.isnan(), expected[0].cells.isnan()));
}

TEST(LocalMethods, WhatDependsOnTheWholeMaskIsSentWhole) {
  const Model net = model();
  const auto found = explain(*net.probe({target(2)}), "morris:grid=4,designs=2,replicates=1,baseline=inpaint",
                             at::rand({1, 3, kSide, kSide}));
  EXPECT_FALSE(found[0].plan.contains("incremental"));
}

/// Sums of weighted pixels that are kept and moved, or memory that runs out after some calls.
class SumScorer : public CallableScorer {
 public:
  explicit SumScorer(int64_t calls_before_memory_ends = 1'000'000)
      : CallableScorer([](const Tensor& x) { return sum(x); }), calls_left_(calls_before_memory_ends) {}

  class Local : public LocalScorer {
   public:
    Local(const SumScorer& scorer, std::vector<ImagePatch> rectangles)
        : scorer_(scorer), rectangles_(std::move(rectangles)) {}
    Tensor set_bases(const Tensor& images) override {
      spend();
      bases_ = images.clone();
      return scorer_.sum(bases_);
    }
    Tensor score(const std::vector<LocalChange>& changes) override {
      spend();
      Tensors images;
      for (const LocalChange& change : changes) {
        images.push_back(bases_[change.base].clone());
        put(images.back(), change);
      }
      return scorer_.sum(at::stack(images));
    }
    Tensor move(const std::vector<LocalChange>& changes) override {
      const Tensor scores = score(changes);
      for (const LocalChange& change : changes) put(bases_[change.base], change);
      return scores;
    }
    bool gains() override { return true; }
    std::string record() const override { return "sum"; }

   private:
    void spend() {
      if (scorer_.calls_left_-- <= 0) throw OutOfMemoryError("no memory for a base");
    }
    void put(Tensor image, const LocalChange& change) const {
      if (!change.pixels.defined()) return;
      const ImagePatch& r = rectangles_[change.rectangle];
      image.narrow(1, r.top, r.height).narrow(2, r.left, r.width).copy_(change.pixels);
    }
    const SumScorer& scorer_;
    std::vector<ImagePatch> rectangles_;
    Tensor bases_;
  };

  std::unique_ptr<LocalScorer> local(const std::vector<ImagePatch>& rectangles, int64_t) const override {
    return std::make_unique<Local>(*this, rectangles);
  }

 private:
  static Tensor sum(const Tensor& x) { return (x * wave(2, 6, 6, 0.9)).flatten(1).sum(1, true); }
  mutable int64_t calls_left_;
};

TEST(LocalMethods, GoOnWholeWhereMemoryRunsOut) {
  const Tensor image = wave(2, 6, 6, 0.3).unsqueeze(0);
  for (const char* method : {"occlusion:patch=2,stride=2", "sobol:grid=3,designs=4,replicates=2",
                             "feature_ablation:grid=3", "shapley:grid=3,permutations=20"}) {
    const auto expected = explain(SumScorer(), method, image, whole());
    for (const int64_t calls : {0, 1, 2, 3, 5, 1000}) {
      SCOPED_TRACE(calls);
      expect_same_maps(explain(SumScorer(calls), method, image), expected);
    }
  }
}

// A run that is repeated up to the forwards it recorded stops where it stopped, whatever it was within then.
TEST(LocalMethods, AStopWithinABatchOfPathsCanBeRepeated) {
  struct Stopper : Listener {
    std::atomic<bool> stop = false;
    int64_t after;
    explicit Stopper(int64_t forwards) : after(forwards) {}
    void on_progress(int64_t done, int64_t) override { stop = stop || done >= after; }
  };
  const Tensor image = wave(2, 6, 6, 0.3).unsqueeze(0);
  for (const int64_t forwards : {10, 144, 150, 200}) {  // of 20 paths of 18, four side by side
    SCOPED_TRACE(forwards);
    Stopper stopper(forwards);
    Execution cancelled, again;
    cancelled.listener = &stopper;
    cancelled.cancelled = &stopper.stop;
    const auto first = explain(SumScorer(), "shapley:grid=3,permutations=40", image, cancelled);
    EXPECT_TRUE(first[0].partial);
    EXPECT_EQ(first[0].forwards, forwards / 72 * 72);
    again.budget.forwards = first[0].forwards;
    const auto second = explain(SumScorer(), "shapley:grid=3,permutations=40", image, again);
    EXPECT_TRUE(at::equal(second[0].map, first[0].map));
    EXPECT_EQ(second[0].plan.at("permutations"), first[0].plan.at("permutations"));
  }
}

TEST(LocalMethods, BasesMove) {
  const SumScorer scorer, short_of_memory(4);
  for (const SumScorer* given : {&scorer, &short_of_memory}) {
    MethodRun run(*given, wave(2, 6, 6, 0.3), {}, {}, 10);
    ASSERT_TRUE(run.start_local({{0, 0, 2, 2}, {3, 3, 2, 3}}, run.input()));
    Tensor images = at::stack({run.input(), run.input() + 1});
    const Tensor before = images.clone();
    run.set_bases(images);
    const Tensor a = at::rand({2, 2, 2}), b = at::rand({2, 2, 3});
    run.move_bases({{0, a, 1}});
    const Tensor found = run.move_bases({{1, b, 1}});
    Tensor expected = before[1].clone();
    expected.narrow(1, 0, 2).narrow(2, 0, 2).copy_(a);
    expected.narrow(1, 3, 2).narrow(2, 3, 3).copy_(b);
    EXPECT_NEAR(found[0][0].item<double>(), scorer.score(expected.unsqueeze(0)).item<double>(), 1e-5);
    EXPECT_TRUE(at::equal(images, before)) << "the caller's bases stay";
    for (Explanation& result : run.results()) result.map = at::rand({6, 6});
    EXPECT_EQ(run.finish("")[0].forwards, 4);
  }
}

}  // namespace
}  // namespace vitrail
