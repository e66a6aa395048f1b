// Times runs of a graph on request, so that a driver can interleave them with a peer's.
//
//   time_graph MODEL BATCH forward|gradient THREADS     then one line in, the seconds of one run out
//
// `gradient`: the forward and the gradient of the first output with respect to the input.

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <chrono>
#include <iostream>
#include <string>

#include "vitrail/graph.h"

using namespace vitrail;

int main(int argc, char** argv) try {
  if (argc != 5) throw std::invalid_argument("usage: time_graph MODEL BATCH forward|gradient THREADS");
  at::set_num_threads(std::stoi(argv[4]));
  const Graph graph = Graph::load(argv[1]);
  const bool with_gradient = std::string(argv[3]) == "gradient";
  std::vector<int64_t> sizes;
  for (const Dim& dim : graph.inputs()[0].shape) sizes.push_back(dim.at(std::stoi(argv[2])));
  const Tensor x = at::randn(sizes);
  const std::string input = graph.inputs()[0].name, output = graph.outputs()[0].name;

  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    if (with_gradient) {
      Tensor leaf = x.detach().requires_grad_();
      gradient({graph.run({{input, leaf}}, {output})[0].select(1, 0)}, {leaf});
    } else {
      at::NoGradGuard no_grad;
      graph.run({{input, x}}, {output});
    }
    std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << std::endl;
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
