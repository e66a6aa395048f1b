// Runs a graph on arrays from files, for the parity tests that compare it with other runtimes.
//
//   run_graph MODEL JOB.json
//
// JOB: {"runs": [{"feeds": {"x": "x.npy"}, "fetches": ["y"], "outputs": ["y_out.npy"],
//                 "gradient": {"of": "y", "weights": "w.npy", "at": "x", "output": "g.npy"}}],
//       "canonical": true, "input_size": [H, W]}
// `gradient` is that of sum(weights * of) with respect to `at`. Prints what the graph says of itself as JSON.

#include <nlohmann/json.hpp>

#include <fstream>
#include <iostream>

#include "report/atomic_file.h"
#include "report/npy.h"
#include "vitrail/error.h"
#include "vitrail/graph.h"

using nlohmann::json;
using namespace vitrail;

namespace {

Tensor read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return decode_npy(std::as_bytes(std::span(bytes)));
}

void write_npy(const std::string& path, const Tensor& tensor) { write_file(path, encode_npy(tensor.to(at::kFloat))); }

void run(const Graph& graph, const json& job) {
  Feeds feeds;
  const json gradient_job = job.value("gradient", json());
  Tensor leaf;
  for (const auto& [name, file] : job["feeds"].items()) {
    Tensor tensor = read_npy(file.get<std::string>());
    if (!gradient_job.is_null() && gradient_job["at"] == name) leaf = tensor.requires_grad_();
    feeds.emplace_back(name, tensor);
  }
  std::vector<std::string> fetches = job["fetches"];
  if (!gradient_job.is_null()) fetches.push_back(gradient_job["of"]);
  Tensors out = graph.run(feeds, fetches);
  for (size_t i = 0; i < job["outputs"].size(); ++i) write_npy(job["outputs"][i].get<std::string>(), out[i].detach());
  if (gradient_job.is_null()) return;
  Tensor weights = read_npy(gradient_job["weights"].get<std::string>());
  write_npy(gradient_job["output"].get<std::string>(), gradient({out.back()}, {leaf}, {weights})[0]);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw UsageError("usage: run_graph MODEL JOB.json");
  const json job = json::parse(std::ifstream(argv[2]));
  LoadOptions options;
  options.canonical = job.value("canonical", true);
  options.input_size = job.value("input_size", std::vector<int64_t>());
  const Graph graph = Graph::load(argv[1], options);
  for (const json& one : job["runs"]) run(graph, one);
  json report = {
      {"generalises", graph.batch().generalises}, {"reason", graph.batch().reason}, {"notes", graph.notes()}};
  for (const LayerInfo& layer : graph.layers()) report["layers"].push_back(layer.name);
  for (const NodeInfo& node : graph.nodes()) report["operators"].push_back(node.op);
  std::cout << report.dump() << "\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
