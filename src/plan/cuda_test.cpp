// Plans on a CUDA device compute what the graph computes, by graphs or kernel by kernel. Skipped where there is none.

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "plan/cuda_graph.h"
#include "plan/local.h"
#include "plan/plan_impl.h"
#include "support/message_of.h"
#include "support/onnx_builder.h"
#include "vitrail/error.h"
#include "vitrail/plan.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OnnxBuilder;
using Sizes = std::vector<int64_t>;

Tensor random(Sizes shape, double scale = 0.5) { return at::randn(shape) * scale; }

void add_batch_norm(OnnxBuilder& net, const std::string& x, const std::string& y, int64_t channels) {
  net.initializer(y + ".scale", random({channels}) + 1).initializer(y + ".bias", random({channels}));
  net.initializer(y + ".mean", random({channels})).initializer(y + ".var", at::rand({channels}) + 0.5);
  net.node("BatchNormalization", {x, y + ".scale", y + ".bias", y + ".mean", y + ".var"}, {y});
}

/// Convolutions as networks have them: a stem, a depthwise one, a residual sum, padding at one end; pooling; a head.
OnnxBuilder convolutional_net() {
  OnnxBuilder net;
  net.input("x", {-1, 3, 16, 16});
  net.initializer("w1", random({16, 3, 3, 3}, 0.3)).node("Conv", {"x", "w1"}, {"c1"});
  net.attribute("pads", Sizes{1, 1, 1, 1});
  add_batch_norm(net, "c1", "b1", 16);
  net.node("Relu", {"b1"}, {"r1"});
  net.initializer("w2", random({16, 1, 3, 3})).node("Conv", {"r1", "w2"}, {"c2"});
  net.attribute("pads", Sizes{1, 1, 1, 1}).attribute("group", int64_t{16}).node("HardSwish", {"c2"}, {"h2"});
  net.initializer("w3", random({16, 16, 1, 1}, 0.2)).initializer("b3", random({16}));
  net.node("Conv", {"h2", "w3", "b3"}, {"c3"}).node("Add", {"r1", "c3"}, {"s3"}).node("Relu", {"s3"}, {"r3"});
  net.initializer("w4", random({24, 16, 3, 3}, 0.1)).node("Conv", {"r3", "w4"}, {"c4"});
  net.attribute("pads", Sizes{0, 0, 1, 1}).attribute("strides", Sizes{2, 2}).node("Sigmoid", {"c4"}, {"g4"});
  net.node("Mul", {"c4", "g4"}, {"m4"}).node("MaxPool", {"m4"}, {"p4"}).attribute("kernel_shape", Sizes{2, 2});
  net.node("GlobalAveragePool", {"p4"}, {"a"}).node("Flatten", {"a"}, {"f"});
  net.initializer("w5", random({10, 24})).initializer("b5", random({10}));
  net.node("Gemm", {"f", "w5", "b5"}, {"y"}).attribute("transB", int64_t{1}).output("y");
  return net;
}

/// Tokens of patches, attention, a block of two linear layers, layer normalisation; the first token is read.
OnnxBuilder attention_net() {
  OnnxBuilder net(23);
  net.input("x", {-1, 3, 16, 16});
  net.initializer("w", random({32, 3, 4, 4}, 0.2)).node("Conv", {"x", "w"}, {"c"}).attribute("strides", Sizes{4, 4});
  net.initializer("tokens", at::tensor({0, 32, 16}, at::kLong)).node("Reshape", {"c", "tokens"}, {"rows"});
  net.node("Transpose", {"rows"}, {"t"}).attribute("perm", Sizes{0, 2, 1});
  net.initializer("heads", at::tensor({0, 16, 4, 8}, at::kLong));
  for (const std::string name : {"q", "k", "v"}) {
    net.initializer("w" + name, random({32, 32}, 0.2)).node("MatMul", {"t", "w" + name}, {name + "1"});
    net.node("Reshape", {name + "1", "heads"}, {name + "2"});
    net.node("Transpose", {name + "2"}, {name}).attribute("perm", Sizes{0, 2, 1, 3});
  }
  net.node("Attention", {"q", "k", "v"}, {"o"});
  net.node("Transpose", {"o"}, {"o1"}).attribute("perm", Sizes{0, 2, 1, 3});
  net.initializer("merged", at::tensor({0, 16, 32}, at::kLong)).node("Reshape", {"o1", "merged"}, {"o2"});
  net.node("Add", {"t", "o2"}, {"s"});
  net.initializer("scale", random({32}) + 1).initializer("shift", random({32}));
  net.node("LayerNormalization", {"s", "scale", "shift"}, {"n"});
  net.initializer("w1", random({32, 64}, 0.2)).initializer("b1", random({64})).node("MatMul", {"n", "w1"}, {"m1"});
  net.node("Add", {"m1", "b1"}, {"a1"}).node("Gelu", {"a1"}, {"g1"});
  net.initializer("w2", random({64, 32}, 0.2)).node("MatMul", {"g1", "w2"}, {"m2"}).node("Add", {"s", "m2"}, {"s2"});
  net.initializer("first", at::tensor({0, 3}, at::kLong)).node("Gather", {"s2", "first"}, {"two"});
  net.attribute("axis", int64_t{1}).node("Flatten", {"two"}, {"y"}).output("y");
  return net;
}

class CudaPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "libtorch sees no CUDA device";
  }

  static Graph load(const OnnxBuilder& net) { return Graph::load(net.save(), {.device = "cuda"}); }

  static std::shared_ptr<const Plan> make(const Graph& graph, const PlanOptions& options) {
    const Plan::Attempt attempt = Plan::make(graph, "x", "y", options);
    EXPECT_TRUE(attempt.plan) << attempt.refusal;
    return attempt.plan;
  }

  static Tensor images(int64_t count) { return random({count, 3, 16, 16}, 1); }

  static double difference(const Tensor& a, const Tensor& b) {
    return (a.cpu() - b.cpu()).abs().max().item<double>() / b.abs().max().item<double>();
  }
};

TEST(CudaPlan, HalfPrecisionIsRefusedOnTheCpu) {
  PlanOptions options;
  options.precision = "fp16";
  EXPECT_THAT(Plan::make(Graph::load(convolutional_net().save()), "x", "y", options).refusal,
              AllOf(HasSubstr("fp16 is for CUDA devices"), HasSubstr("on the CPU")));
}

TEST_F(CudaPlanTest, Float32IsWhatTheGraphGives) {
  for (const OnnxBuilder& net : {convolutional_net(), attention_net()}) {
    const Graph graph = load(net), on_cpu = Graph::load(net.save());
    const Tensor x = images(11), before = x.clone();
    const auto plan = make(graph, {.batch = 8, .chunk = 4});
    const Tensor found = plan->run(x);
    EXPECT_TRUE(found.is_cuda());
    EXPECT_FALSE(found.requires_grad());
    EXPECT_LE(difference(found, graph.run({{"x", x}}, {"y"})[0]), 1e-4);
    EXPECT_LE(difference(found, on_cpu.run({{"x", x}}, {"y"})[0]), 1e-4);
    EXPECT_TRUE(at::equal(x, before)) << "the input was written to";
    const Tensor there = x.cuda();
    EXPECT_LE(difference(plan->run(there), found), 1e-5);
    EXPECT_TRUE(at::equal(there.cpu(), before)) << "the input was written to";
  }
}

TEST_F(CudaPlanTest, LayersTakeInWhatFollowsThem) {
  const auto plan = make(load(convolutional_net()), {});
  ASSERT_TRUE(plan);
  std::vector<std::string> steps;
  for (const PlanStep& step : plan->steps()) steps.push_back(step.op);
  EXPECT_THAT(steps, ElementsAre("Conv + BatchNormalization + Relu", "Conv + HardSwish", "Conv + Add + Relu",
                                 "Conv + Swish", "MaxPool", "GlobalAveragePool", "Flatten", "Gemm"));
  EXPECT_EQ(plan->record().at("kernels"), "cuDNN");
}

TEST_F(CudaPlanTest, HalfPrecisionsStayWithinTheirTolerance) {
  for (const char* precision : {"fp16", "bf16"})
    for (const OnnxBuilder& net : {convolutional_net(), attention_net()}) {
      PlanOptions options;
      options.precision = precision;
      const Graph graph = load(net);
      const Plan::Attempt attempt = Plan::make(graph, "x", "y", options);
      if (!attempt.plan) {
        EXPECT_THAT(attempt.refusal, ::testing::AnyOf(HasSubstr("differs from the graph"), HasSubstr("their order")));
        continue;
      }
      EXPECT_EQ(attempt.plan->precision(), precision);
      const Tensor x = images(9);
      const double found = difference(attempt.plan->run(x), graph.run({{"x", x}}, {"y"})[0]);
      EXPECT_LE(found, 3e-2) << precision;
      EXPECT_GT(found, 1e-6) << "it is computed in float32";
      RecordProperty(std::string(precision) + "_difference", std::to_string(found));
    }
}

TEST_F(CudaPlanTest, GraphsGiveTheBytesOfSingleKernels) {
  if (!cuda::has_graphs()) GTEST_SKIP() << "built without CUDA graphs";
  for (const OnnxBuilder& net : {convolutional_net(), attention_net()})
    for (const char* precision : {"float32", "fp16"})
      for (const int64_t chunk : {3, 16}) {
        const Graph graph = load(net);
        PlanOptions options;
        options.precision = precision;
        options.chunk = chunk;
        options.tolerance = 0.1;
        const auto by_graph = make(graph, options);
        options.graphs = false;
        const auto by_kernel = make(graph, options);
        ASSERT_TRUE(by_graph && by_kernel);
        EXPECT_EQ(by_graph->record().at("graphs"), "yes");
        EXPECT_EQ(by_kernel->record().at("graphs"), "no");
        const Tensor x = images(3 * chunk + 1);  // the rest is filled up: to 3, or 8, recorded when it comes again
        const Tensor expected = by_kernel->run(x);
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(by_graph->run(x), expected)) << precision << " " << chunk;
        EXPECT_TRUE(at::equal(by_graph->run(x.flip(0).contiguous()), by_kernel->run(x.flip(0).contiguous())));
      }
}

TEST_F(CudaPlanTest, AnyNumberOfSamplesRunsInFewSizes) {
  for (const OnnxBuilder& net : {convolutional_net(), attention_net()}) {
    const Graph graph = load(net);
    const auto plan = make(graph, {.batch = 32, .chunk = 32});
    ASSERT_TRUE(plan);
    const Tensor x = images(70), expected = graph.run({{"x", x}}, {"y"})[0];
    for (const int64_t samples : {1, 7, 9, 17, 24, 25, 31, 33, 40, 69, 70})
      for (const auto& some : {x.narrow(0, 0, samples), x.narrow(0, 0, samples).cuda()}) {
        const Tensor found = plan->run(some);
        ASSERT_EQ(found.size(0), samples);
        EXPECT_LE(difference(found, expected.narrow(0, 0, samples)), 1e-4) << samples;
      }
    if (!cuda::has_graphs()) continue;
    ASSERT_TRUE(plan->impl()->graphs);
    EXPECT_EQ(plan->impl()->graphs->recorded(), 3);  // of 8, 16 and 32 samples
  }
}

TEST_F(CudaPlanTest, RunsFromSeveralThreads) {
  const Graph graph = load(convolutional_net());
  for (const int64_t chunk : {2, 5}) {
    const auto plan = make(graph, {.chunk = chunk});
    std::vector<Tensor> inputs, expected;
    for (int i = 0; i < 4; ++i) {
      inputs.push_back(images(7));
      expected.push_back(plan->run(inputs.back()));
    }
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int n = 0; n < 50; ++n) wrong[i] += !at::equal(plan->run(inputs[i]), expected[i]);
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
  }
}

TEST_F(CudaPlanTest, WhatWaitsForTheDeviceRunsWithoutGraphs) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 16, 16});
  net.initializer("w", random({4, 3, 3, 3})).node("Conv", {"x", "w"}, {"c"});
  net.initializer("pads", at::tensor({0, 0, 1, 1, 0, 0, 1, 1}, at::kLong));
  net.node("Pad", {"c", "pads"}, {"p"}).attribute("mode", std::string("reflect"));  // reads positions from the CPU
  net.node("GlobalAveragePool", {"p"}, {"a"}).node("Flatten", {"a"}, {"y"}).output("y");
  const Graph graph = load(net);
  const auto plan = make(graph, {.chunk = 4});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->record().at("graphs"), "no");
  const Tensor x = images(9);
  for (int i = 0; i < 3; ++i) EXPECT_LE(difference(plan->run(x), graph.run({{"x", x}}, {"y"})[0]), 1e-4);
  // The device and its memory are as before: another plan has graphs.
  EXPECT_EQ(make(load(convolutional_net()), {.chunk = 4})->record().at("graphs"), cuda::has_graphs() ? "yes" : "no");
}

TEST_F(CudaPlanTest, NumbersOfOperatorsStayArguments) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 16, 16}).initializer("two", at::tensor(2.f)).initializer("half", at::tensor({0.5f}));
  net.node("Pow", {"x", "two"}, {"p"}).initializer("pads", at::tensor({0, 0, 1, 0, 0, 0, 0, 1}, at::kLong));
  net.node("Pad", {"p", "pads", "half"}, {"q"}).node("GlobalAveragePool", {"q"}, {"a"});
  net.node("Pow", {"a", "half"}, {"r"}).node("Flatten", {"r"}, {"y"}).output("y");
  const Graph graph = load(net);
  const auto plan = make(graph, {.chunk = 4});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->record().at("graphs"), cuda::has_graphs() ? "yes" : "no");
  const Tensor x = images(5);
  EXPECT_LE(difference(plan->run(x), graph.run({{"x", x}}, {"y"})[0]), 1e-4);
}

TEST_F(CudaPlanTest, NotANumberStaysOne) {
  const Graph graph = load(convolutional_net());
  for (const char* precision : {"float32", "fp16"}) {
    PlanOptions options;
    options.precision = precision;
    options.tolerance = 0.1;
    const auto plan = make(graph, options);
    Tensor x = images(2);
    x[1].fill_(std::numeric_limits<float>::quiet_NaN());
    const Tensor y = plan->run(x).cpu();
    EXPECT_TRUE(y[0].isfinite().all().item<bool>());
    EXPECT_TRUE(y[1].isnan().all().item<bool>()) << precision;
  }
}

TEST_F(CudaPlanTest, ChunksGrowUpToTheBatch) {
  const auto plan = make(load(convolutional_net()), {.batch = 200});
  EXPECT_GE(plan->chunk(), 8);
  EXPECT_LE(plan->chunk(), 200);
  EXPECT_FALSE(plan->side_by_side());
}

TEST_F(CudaPlanTest, NothingIsLocal) {
  const auto plan = make(load(convolutional_net()), {});
  EXPECT_EQ(LocalRuns::make(plan->impl(), {{0, 0, 4, 4}}, true, 8), nullptr);
}

}  // namespace
}  // namespace vitrail
