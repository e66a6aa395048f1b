// Methods of images that differ little from known ones: by what changes they give the maps that whole images give.

#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <limits>

#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/run.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::OnnxBuilder;

constexpr int64_t kSide = 40;

/// Sizes found to pay beforehand, so that nothing is timed: cells of a grid of 8, windows of 6, superpixels.
constexpr const char* kDecisions = "5x5:3 6x6:4 10x10:8 15x15:2 20x20:2 25x25:2 30x30:2 35x35:2 40x40:2";

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
    const auto near = [](const Tensor& a, const Tensor& b) {
      ASSERT_EQ(a.defined(), b.defined());
      if (!a.defined()) return;
      const double range = (b.max() - b.min()).item<double>();
      EXPECT_LE((a - b).abs().max().item<double>(), 1e-5 * range);
    };
    EXPECT_GT((expected[i].map.max() - expected[i].map.min()).item<double>(), 0) << "says nothing";
    near(found[i].map, expected[i].map);
    near(found[i].cells, expected[i].cells);
    EXPECT_EQ(found[i].forwards, expected[i].forwards);
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
        "morris:grid=4,designs=2,replicates=1,regions=slic"}) {
    SCOPED_TRACE(method);
    const auto local = explain(*probe, method, image), expected = explain(*probe, method, image, whole());
    expect_same_maps(local, expected);
    EXPECT_TRUE(local[0].plan.contains("incremental"));
    EXPECT_FALSE(expected[0].plan.contains("incremental"));
  }
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

TEST(LocalMethods, BatchesOnlyRoundAndBudgetsStop) {
  const Model net = model();
  const auto probe = net.probe({target(2)});
  const Tensor image = at::rand({1, 3, kSide, kSide});
  for (const char* method : {"occlusion:patch=6,stride=3", "morris:grid=8,designs=2,replicates=2"}) {
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
    if (method[0] == 'o') expect_same_maps(partial, explain(*probe, method, image, stopped));
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
  for (const char* method : {"occlusion:patch=2,stride=2", "sobol:grid=3,designs=4,replicates=2"}) {
    const auto expected = explain(SumScorer(), method, image, whole());
    for (const int64_t calls : {0, 1, 2, 3, 5, 1000}) {
      SCOPED_TRACE(calls);
      expect_same_maps(explain(SumScorer(calls), method, image), expected);
    }
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
