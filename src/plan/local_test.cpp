// Runs of what changes give what whole runs give, whatever the net is made of; and they are runs of parts.

#include "plan/local.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/local_schedule.h"
#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;
using testing::OnnxBuilder;
using Sizes = std::vector<int64_t>;

constexpr int64_t kSide = 48, kPatch = 8;

Tensor random(Sizes shape, double scale = 0.3) { return at::randn(shape) * scale; }

/// A net whose names count up by themselves.
class Net {
 public:
  explicit Net(Sizes input = {-1, 3, kSide, kSide}) { net.input("x", input); }

  std::string node(const std::string& op, const std::vector<std::string>& inputs) {
    const std::string y = "v" + std::to_string(++count_);
    net.node(op, inputs, {y});
    return y;
  }
  std::string conv(const std::string& x, int64_t from, int64_t to, int64_t kernel, Sizes pads, int64_t stride = 1,
                   int64_t group = 1, int64_t dilation = 1) {
    const std::string w = constant(random({to, from / group, kernel, kernel})), b = constant(random({to}));
    const std::string y = node("Conv", {x, w, b});
    net.attribute("pads", pads).attribute("strides", Sizes{stride, stride}).attribute("group", group);
    net.attribute("dilations", Sizes{dilation, dilation});
    return y;
  }
  std::string constant(const Tensor& value) {
    const std::string name = "c" + std::to_string(++count_);
    net.initializer(name, value);
    return name;
  }
  /// Means over positions and a linear layer.
  OnnxBuilder& classify(const std::string& x, int64_t channels) {
    const std::string pooled = node("Flatten", {node("GlobalAveragePool", {x})});
    net.node("MatMul", {pooled, constant(random({channels, 5}))}, {"y"}).output("y");
    return net;
  }

  OnnxBuilder net{20};

 private:
  int count_ = 0;
};

std::vector<ImagePatch> rectangles() {
  std::vector<ImagePatch> list;
  for (const auto& [top, left] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 0}, {0, 40}, {40, 40}, {17, 22}, {16, 24}, {23, 3}, {1, 39}, {30, 31}})
    list.push_back({top, left, kPatch, kPatch});
  return list;
}

Tensor compose(const Tensor& bases, const std::vector<ImagePatch>& places, const std::vector<LocalChange>& changes,
               bool channels_first = true) {
  Tensors images;
  for (const LocalChange& change : changes) {
    Tensor image = bases[change.base].clone();
    const ImagePatch& r = places[change.rectangle];
    const int64_t row = channels_first ? 1 : 0;
    if (change.pixels.defined())
      image.narrow(row, r.top, r.height)
          .narrow(row + 1, r.left, r.width)
          .copy_(channels_first ? change.pixels : change.pixels.permute({1, 2, 0}));
    images.push_back(image.unsqueeze(0));
  }
  return at::cat(images);
}

void expect_near(const Tensor& found, const Tensor& expected) {
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-5 * (expected.max() - expected.min()).item<double>());
}

std::shared_ptr<const Plan> plan_of(const OnnxBuilder& net, int64_t small_layer = 0,
                                    const std::string& incremental = "8x8:3", bool side_by_side = false) {
  PlanOptions options;
  options.batch = 4;
  options.chunk = 2;
  options.small_layer = small_layer;
  options.incremental = incremental;
  options.side_by_side = side_by_side;
  const Plan::Attempt attempt = Plan::make(Graph::load(net.save()), "x", "y", options);
  if (!attempt.plan) throw std::runtime_error("no plan: " + attempt.refusal);
  return attempt.plan;
}

/// Steps that run on parts.
std::vector<std::string> local_steps(const Plan& plan, bool channels_first = true) {
  const auto impl = plan.impl();
  const LocalSchedule schedule = make_schedule(*impl, {channels_first}, rectangles(), kPatch, kPatch);
  std::vector<std::string> list;
  for (size_t s = 0; s < schedule.steps.size(); ++s)
    if (schedule.steps[s].step) list.push_back(impl->steps[s].op);
  return list;
}

/// Two bases, changes in every rectangle, then bases that move; by oneDNN and by ATen's kernels. Gives the steps that
/// ran on parts.
std::vector<std::string> expect_equal(const OnnxBuilder& net, bool channels_first = true) {
  std::vector<std::string> local;
  for (const int64_t small_layer : {int64_t{1'000'000'000}, int64_t{0}}) {
    const auto plan = plan_of(net, small_layer);
    const auto runs = LocalRuns::make(plan->impl(), rectangles(), channels_first, 8);
    if (!runs) return {"none"};
    const int64_t channels = plan->impl()->input_shape[channels_first ? 1 : 3].fixed;
    const Tensor bases =
        random(channels_first ? Sizes{2, channels, kSide, kSide} : Sizes{2, kSide, kSide, channels}, 1);
    const Tensor before = bases.clone();
    expect_near(runs->set_bases(bases), plan->run(bases));

    std::vector<LocalChange> changes;
    for (size_t r = 0; r < rectangles().size(); ++r)
      changes.push_back({r, random({channels, kPatch, kPatch}, 1), static_cast<int64_t>(r % 2)});
    changes.push_back({3, Tensor(), 1});
    const Tensor expected = plan->run(compose(bases, rectangles(), changes, channels_first));
    const Tensor found = runs->run(changes, false);
    expect_near(found, expected);
    EXPECT_TRUE(at::equal(runs->run(changes, false), found)) << "the same bytes again";
    EXPECT_TRUE(at::equal(bases, before)) << "the bases were written to";

    Tensor moved = bases;
    for (size_t r = 0; r + 1 < rectangles().size(); r += 2) {
      const std::vector<LocalChange> step = {{r, random({channels, kPatch, kPatch}, 1), 1},
                                             {r + 1, random({channels, kPatch, kPatch}, 1), 0}};
      const Tensor images = compose(moved, rectangles(), step, channels_first);
      expect_near(runs->run(step, true), plan->run(images));
      moved = images.flip(0);
    }
    expect_near(runs->run(changes, false), plan->run(compose(moved, rectangles(), changes, channels_first)));
    local = local_steps(*plan, channels_first);
  }
  return local;
}

TEST(LocalRuns, ConvolutionsOfEveryGeometry) {
  at::manual_seed(1);
  for (const auto& [kernel, stride, dilation, pads, group] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, Sizes, int64_t>>{{3, 1, 1, {1, 1, 1, 1}, 1},
                                                                          {3, 2, 1, {1, 1, 1, 1}, 1},
                                                                          {3, 2, 1, {0, 0, 1, 1}, 1},
                                                                          {3, 1, 2, {2, 2, 2, 2}, 1},
                                                                          {5, 2, 1, {2, 1, 1, 2}, 1},
                                                                          {3, 1, 1, {1, 1, 1, 1}, 4},
                                                                          {3, 2, 1, {0, 0, 1, 1}, 4},
                                                                          {2, 2, 1, {0, 0, 0, 0}, 1},
                                                                          {1, 1, 1, {0, 0, 0, 0}, 1},
                                                                          {1, 2, 1, {0, 0, 0, 0}, 1},
                                                                          {4, 3, 1, {0, 0, 0, 0}, 1}}) {
    SCOPED_TRACE("kernel " + std::to_string(kernel) + " stride " + std::to_string(stride));
    Net net;
    const std::string stem = net.node("Relu", {net.conv("x", 3, 4, 3, {1, 1, 1, 1})});
    const std::string y = net.node("Relu", {net.conv(stem, 4, 8, kernel, pads, stride, group, dilation)});
    EXPECT_THAT(expect_equal(net.classify(y, 8)), ElementsAre("Conv + Relu", "Conv + Relu"));
  }
}

TEST(LocalRuns, ResidualsWithPools) {
  at::manual_seed(2);
  for (const int64_t ceil : {0, 1}) {
    Net net;
    const std::string stem = net.node("Relu", {net.conv("x", 3, 8, 7, {3, 3, 3, 3}, 2)});
    const std::string pooled = net.node("MaxPool", {stem});
    net.net.attribute("kernel_shape", Sizes{3, 3}).attribute("strides", Sizes{2, 2}).attribute("ceil_mode", ceil);
    net.net.attribute("pads", ceil ? Sizes{0, 0, 0, 0} : Sizes{1, 1, 1, 1});
    const std::string a = net.node("Relu", {net.conv(pooled, 8, 8, 1, {0, 0, 0, 0})});
    const std::string b = net.conv(net.node("Relu", {net.conv(a, 8, 8, 3, {1, 1, 1, 1})}), 8, 8, 1, {0, 0, 0, 0});
    const std::string y = net.node("Relu", {net.node("Add", {b, pooled})});
    const std::vector<std::string> local = expect_equal(net.classify(y, 8));
    EXPECT_THAT(local, Contains("MaxPool"));
    EXPECT_THAT(local, Contains("Conv + Add + Relu"));
  }
}

TEST(LocalRuns, MeansAreLocalWhereTheyCountTheirPadding) {
  at::manual_seed(3);
  for (const auto& [pads, counts, local] : std::vector<std::tuple<Sizes, int64_t, bool>>{
           {{0, 0, 0, 0}, 0, true}, {{1, 1, 1, 1}, 1, true}, {{1, 1, 1, 1}, 0, false}}) {
    Net net;
    const std::string y = net.node("AveragePool", {net.conv("x", 3, 4, 3, {1, 1, 1, 1})});
    net.net.attribute("kernel_shape", Sizes{3, 3}).attribute("strides", Sizes{2, 2}).attribute("pads", pads);
    net.net.attribute("count_include_pad", counts);
    const std::vector<std::string> steps = expect_equal(net.classify(y, 4));
    EXPECT_EQ(std::count(steps.begin(), steps.end(), "AveragePool") > 0, local);
  }
}

TEST(LocalRuns, DepthwiseBlocksAndBranchesThatAreJoined) {
  at::manual_seed(4);
  Net net;
  const std::string six = net.constant(at::tensor(6.f)), zero = net.constant(at::tensor(0.f));
  std::string x = net.node("Clip", {net.conv("x", 3, 8, 3, {0, 0, 1, 1}, 2), zero, six});
  const std::string wide = net.node("Clip", {net.conv(x, 8, 16, 1, {0, 0, 0, 0}), zero, six});
  const std::string deep = net.node("Clip", {net.conv(wide, 16, 16, 3, {1, 1, 1, 1}, 1, 16), zero, six});
  x = net.node("Add", {x, net.conv(deep, 16, 8, 1, {0, 0, 0, 0})});
  const std::string left = net.node("Relu", {net.conv(x, 8, 4, 1, {0, 0, 0, 0})});
  const std::string right = net.node("Relu", {net.conv(x, 8, 6, 3, {1, 1, 1, 1})});
  x = net.node("Concat", {left, right});
  net.net.attribute("axis", int64_t{1});
  const std::string half = net.constant(at::tensor(Sizes{5, 5}, at::kLong));
  net.net.node("Split", {x, half}, {"s1", "s2"}).attribute("axis", int64_t{1});
  x = net.node("Mul", {"s1", net.node("Sigmoid", {"s2"})});
  const std::vector<std::string> local = expect_equal(net.classify(x, 5));
  for (const char* op : {"Concat", "Split", "Mul", "Sigmoid", "Conv + Clip", "Conv + Add"})
    EXPECT_THAT(local, Contains(op));
}

TEST(LocalRuns, SqueezeAndExcitationIsWhole) {
  at::manual_seed(5);
  Net net;
  const std::string x = net.node("Relu", {net.conv("x", 3, 8, 3, {1, 1, 1, 1}, 2)});
  const std::string gate = net.node("Sigmoid", {net.conv(net.node("GlobalAveragePool", {x}), 8, 8, 1, {0, 0, 0, 0})});
  const std::string y = net.node("Relu", {net.conv(net.node("Mul", {x, gate}), 8, 4, 3, {1, 1, 1, 1})});
  EXPECT_THAT(expect_equal(net.classify(y, 4)), ElementsAre("Conv + Relu"));
}

TEST(LocalRuns, ChannelsLastWithNormalisedPositions) {
  at::manual_seed(6);
  Net net;
  const std::string x = net.conv("x", 3, 6, 2, {0, 0, 0, 0}, 2);
  std::string y = net.conv(x, 6, 6, 3, {1, 1, 1, 1}, 1, 6);
  y = net.node("Transpose", {y});
  net.net.attribute("perm", Sizes{0, 2, 3, 1});
  y = net.node("LayerNormalization", {y, net.constant(random({6}) + 1), net.constant(random({6}))});
  y = net.node("Add", {net.constant(random({12})), net.node("MatMul", {y, net.constant(random({6, 12}))})});
  y = net.node("Gelu", {y});
  y = net.node("MatMul", {y, net.constant(random({12, 6}))});
  y = net.node("Transpose", {y});
  net.net.attribute("perm", Sizes{0, 3, 1, 2});
  y = net.node("Add", {x, y});
  const std::vector<std::string> local = expect_equal(net.classify(y, 6));
  for (const char* op : {"Transpose", "LayerNormalization", "MatMul + Add + Gelu", "MatMul + Transpose + Add"})
    EXPECT_THAT(local, Contains(op));
}

TEST(LocalRuns, PicturesWithChannelsLast) {
  at::manual_seed(7);
  Net net({-1, kSide, kSide, 3});
  const std::string x = net.node("Transpose", {"x"});
  net.net.attribute("perm", Sizes{0, 3, 1, 2});
  const std::string y = net.node("Relu", {net.conv(x, 3, 4, 3, {1, 1, 1, 1}, 2)});
  EXPECT_THAT(expect_equal(net.classify(y, 4), false), ElementsAre("Transpose", "Conv + Relu"));
}

TEST(LocalRuns, PaddingsThatStandAlone) {
  at::manual_seed(8);
  Net net, other;
  const std::string pads = net.constant(at::tensor(Sizes{0, 0, 1, 2, 0, 0, 3, -1}, at::kLong));
  const std::string half = net.constant(at::tensor(0.5f));
  const std::string x = net.node("Pad", {net.conv("x", 3, 4, 3, {1, 1, 1, 1}), pads, half});
  EXPECT_THAT(expect_equal(net.classify(net.node("Tanh", {x}), 4)), Contains("Pad"));
  const std::string channels = other.constant(at::tensor(Sizes{0, 1, 0, 0, 0, 1, 0, 0}, at::kLong));
  const std::string y = other.node("Pad", {other.conv("x", 3, 4, 3, {1, 1, 1, 1}), channels});
  EXPECT_THAT(expect_equal(other.classify(y, 6)), Not(Contains("Pad"))) << "along the channels";
}

TEST(LocalRuns, AHybridWithAttentionIsWholeFromItsTokensOn) {
  at::manual_seed(9);
  Net net;
  std::string x = net.node("Relu", {net.conv("x", 3, 8, 4, {0, 0, 0, 0}, 4)});
  x = net.node("Relu", {net.conv(x, 8, 8, 1, {0, 0, 0, 0})});
  x = net.node("Transpose", {net.node("Reshape", {x, net.constant(at::tensor(Sizes{0, 8, 144}, at::kLong))})});
  net.net.attribute("perm", Sizes{0, 2, 1});
  const std::string q = net.node("MatMul", {x, net.constant(random({8, 8}))});
  const std::string k = net.node("Transpose", {net.node("MatMul", {x, net.constant(random({8, 8}))})});
  net.net.attribute("perm", Sizes{0, 2, 1});
  x = net.node("Add", {x, net.node("MatMul", {net.node("Softmax", {net.node("MatMul", {q, k})}), x})});
  x = net.node("ReduceMean", {x, net.constant(at::tensor(Sizes{1}, at::kLong))});
  net.net.attribute("keepdims", int64_t{0});
  net.net.node("MatMul", {x, net.constant(random({8, 5}))}, {"y"}).output("y");
  EXPECT_THAT(expect_equal(net.net), ElementsAre("Conv + Relu", "Conv + Relu"));
}

TEST(LocalRuns, ThePlanMayEndInAPart) {
  at::manual_seed(10);
  Net net;
  const std::string x = net.node("Relu", {net.conv("x", 3, 4, 3, {1, 1, 1, 1})});
  net.net.node("Sigmoid", {net.conv(x, 4, 2, 3, {1, 1, 1, 1})}, {"y"}).output("y");
  EXPECT_THAT(expect_equal(net.net), ElementsAre("Conv + Relu", "Conv + Sigmoid"));
}

TEST(LocalRuns, AnEnlargementIsWhole) {
  at::manual_seed(11);
  Net net;
  const std::string x = net.node("Relu", {net.conv("x", 3, 4, 3, {1, 1, 1, 1}, 2)});
  const std::string y = net.node("Resize", {x, "", net.constant(at::tensor({1.f, 1.f, 2.f, 2.f}))});
  EXPECT_THAT(expect_equal(net.classify(net.node("Add", {y, net.conv("x", 3, 4, 1, {0, 0, 0, 0})}), 4)),
              Contains("Conv + Relu"));
}

OnnxBuilder deep_net() {
  Net net;
  std::string x = net.node("Relu", {net.conv("x", 3, 8, 3, {1, 1, 1, 1}, 2)});
  for (int i = 0; i < 3; ++i) x = net.node("Relu", {net.conv(x, 8, 8, 3, {1, 1, 1, 1})});
  net.classify(x, 8);
  return std::move(net.net);
}

TEST(LocalRuns, ChunksAndThreadsOnlyRound) {
  at::manual_seed(12);
  const OnnxBuilder net = deep_net();
  const Tensor base = random({1, 3, kSide, kSide}, 1);
  std::vector<LocalChange> changes;
  for (size_t r = 0; r < 8; ++r) changes.push_back({r, random({3, kPatch, kPatch}, 1)});
  Tensor first;
  for (const auto& [decision, side_by_side] : std::vector<std::pair<const char*, bool>>{
           {"8x8:1", false}, {"8x8:3", false}, {"8x8:3", true}, {"8x8:8", false}}) {
    const auto plan = plan_of(net, 0, decision, side_by_side);
    const auto runs = LocalRuns::make(plan->impl(), rectangles(), true, 8);
    ASSERT_TRUE(runs);
    runs->set_bases(base);
    EXPECT_TRUE(runs->pays(0));
    EXPECT_EQ(runs->record(), decision);
    const Tensor found = runs->run(changes, false);
    if (!first.defined()) first = found;
    expect_near(found, first);
  }
}

TEST(LocalRuns, RectanglesOfManySizesFormClasses) {
  at::manual_seed(13);
  const auto plan = plan_of(deep_net(), 0, "auto");
  const std::vector<ImagePatch> mixed = {{0, 0, 5, 3}, {10, 10, 6, 6}, {3, 20, 20, 9}, {30, 1, 18, 40}, {0, 0, 48, 48}};
  const auto runs = LocalRuns::make(plan->impl(), mixed, true, 4);
  ASSERT_TRUE(runs);
  EXPECT_LT(runs->share(0), runs->share(2));
  EXPECT_EQ(runs->share(4), 1);
  const Tensor base = random({1, 3, kSide, kSide}, 1);
  runs->set_bases(base);
  EXPECT_FALSE(runs->pays(4));
  std::vector<LocalChange> changes;
  for (size_t r = mixed.size(); r-- > 0;) changes.push_back({r, random({3, mixed[r].height, mixed[r].width}, 1)});
  expect_near(runs->run(changes, false), plan->run(compose(base, mixed, changes)));
}

TEST(LocalRuns, AreOfferedOnlyWhereTheyCanBe) {
  at::manual_seed(14);
  EXPECT_FALSE(LocalRuns::make(plan_of(deep_net(), 0, "none")->impl(), rectangles(), true, 8));
  Net net;
  net.net.node("MatMul", {net.node("Flatten", {"x"}), net.constant(random({3 * kSide * kSide, 5}))}, {"y"}).output("y");
  EXPECT_FALSE(LocalRuns::make(plan_of(net.net)->impl(), rectangles(), true, 8)) << "looks everywhere at once";
  EXPECT_THAT(message_of<UsageError>([&] { plan_of(deep_net(), 0, "8x8"); }), HasSubstr("incremental"));
}

TEST(LocalRuns, KeepOfTheBasesWhatIsReadAndNoMore) {
  at::manual_seed(15);
  const auto plan = plan_of(deep_net());
  const auto runs = LocalRuns::make(plan->impl(), rectangles(), true, 8);
  ASSERT_TRUE(runs);
  runs->set_bases(random({2, 3, kSide, kSide}));
  const int64_t picture = 3 * kSide * kSide * 4, value = 8 * kSide * kSide / 4 * 4;
  EXPECT_LE(runs->bytes_of_bases(), 2 * (picture + 4 * value));
  EXPECT_GE(runs->bytes_of_bases(), 2 * (picture + value));
}

}  // namespace
}  // namespace vitrail
