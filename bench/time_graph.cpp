// Times runs of a graph on request, so that a driver can interleave them with a peer's.
//
//   time_graph MODEL BATCH MODE THREADS [DEVICE]     then one line in, the seconds of one run out
//
// MODE: `plain`, the graph as it is; `gradient`, that and the gradient of the first output with respect to the input;
// `plan`, `bf16` and `fp16`, the plan in float32 and in these; `kernels` and `kernels-fp16`, without CUDA graphs;
// `profile` lists the steps of the plan with their times and ends. A run begins with its input on the device and ends
// with its output on the CPU.

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "vitrail/graph.h"
#include "vitrail/memory.h"
#include "vitrail/plan.h"

using namespace vitrail;

namespace {

struct Case {
  Graph graph;
  std::string input, output;
  Tensor x;
};

void run_gradient(const Case& c) {
  Tensor leaf = c.x.detach().requires_grad_();
  gradient({c.graph.run({{c.input, leaf}}, {c.output})[0].select(1, 0)}, {leaf});
}

std::shared_ptr<const Plan> make_plan(const Case& c, const std::string& precision, bool graphs = true) {
  PlanOptions options;
  options.batch = c.x.size(0);
  options.precision = precision;
  options.graphs = graphs;
  const Plan::Attempt attempt = Plan::make(c.graph, c.input, c.output, options);
  if (!attempt.plan) throw std::runtime_error("no plan: " + attempt.refusal);
  return attempt.plan;
}

void print_profile(const Plan& plan) {
  std::map<std::string, double> by_op;
  double sum = 0;
  for (const PlanStep& step : plan.steps()) {
    std::printf("%9.1f us %10lld bytes  %-32s %s  %s\n", 1e6 * step.seconds, static_cast<long long>(step.bytes),
                step.op.c_str(), step.output.c_str(), step.details.c_str());
    by_op[step.op] += step.seconds;
    sum += step.seconds;
  }
  for (const auto& [op, seconds] : by_op) std::printf("%5.1f %%  %s\n", 100 * seconds / sum, op.c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5 && argc != 6) throw std::invalid_argument("usage: time_graph MODEL BATCH MODE THREADS [DEVICE]");
  const std::string mode = argv[3];
  use_caching_allocator();
  at::set_num_threads(std::stoi(argv[4]));
  const Graph graph = Graph::load(argv[1], {.device = argc > 5 ? argv[5] : "cpu"});
  std::vector<int64_t> sizes;
  for (const Dim& dim : graph.inputs()[0].shape) sizes.push_back(dim.at(std::stoi(argv[2])));
  const Case c{graph, graph.inputs()[0].name, graph.outputs()[0].name, at::randn(sizes).to(graph.device())};

  std::function<void()> run;
  if (mode == "plain") run = [&] { graph.run({{c.input, c.x}}, {c.output})[0].cpu(); };
  if (mode == "gradient") run = [&] { run_gradient(c); };
  if (mode == "profile") {
    print_profile(*make_plan(c, "float32"));
    return 0;
  }
  const bool kernels = mode.starts_with("kernels");
  if (mode == "plan" || mode == "bf16" || mode == "fp16" || kernels) {
    const std::string precision = mode == "plan" || mode == "kernels" ? "float32" : kernels ? "fp16" : mode;
    const auto plan = make_plan(c, precision, !kernels);
    std::cerr << "chunk " << plan->chunk() << (plan->side_by_side() ? " side by side" : "") << ", difference "
              << plan->difference() << '\n';
    run = [&c, plan] { plan->run(c.x).cpu(); };
  }
  if (!run) throw std::invalid_argument("unknown mode " + mode);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const at::AutoGradMode gradients(mode == "gradient");
    const auto begin = std::chrono::steady_clock::now();
    run();
    std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << std::endl;
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
