// The ONNX project's own node cases, as the pinned onnx package ships them: every case whose operators are
// all here and whose values are tensors of ordinary types is run, node by node, and compared at the project's
// own tolerances.
//
//   conformance [--skipped]     last line: `conformance: R run, P passed, S skipped of T`
//
// --skipped: first lists what was not run, and why.
//
// skip.txt names the cases that may fail, with a reason a line. The run fails when another case fails, when a
// case of the list passes, or when fewer cases than the floor could be run.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <c10/util/Exception.h>
#include <onnx-ml.pb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "graph/draft.h"
#include "onnx/adapters.h"
#include "onnx/nodes_for_tests.h"
#include "onnx/reader.h"
#include "ops/registry.h"
#include "vitrail/error.h"

namespace fs = std::filesystem;
using namespace vitrail;

namespace {

/// As many cases as ran when this was last set; fewer means that something stopped being read.
constexpr int kFloor = 1298;
constexpr double kRelative = 1e-3, kAbsolute = 1e-7;

/// Where the package of the build's Python keeps its cases.
fs::path default_folder() {
  const std::string command =
      std::string(VITRAIL_PYTHON) +
      " -c \"import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec('onnx').origin).parent"
      " / 'backend/test/data/node', end='')\"";
  std::string path;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c; pipe && (c = fgetc(pipe)) != EOF;) path += static_cast<char>(c);
  if (pipe) pclose(pipe);
  return path;
}

std::map<std::string, std::string> read_skip_list() {
  std::map<std::string, std::string> reasons;
  std::ifstream file(std::string(VITRAIL_SOURCE_DIR) + "/tests/conformance/skip.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, reason;
    words >> name;
    std::getline(words >> std::ws, reason);
    if (reason.empty()) throw UsageError("skip.txt gives no reason for " + name);
    reasons[name] = reason;
  }
  return reasons;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Tensor read_tensor(const fs::path& path) {
  const std::string bytes = read_file(path);
  return read_onnx_tensor(std::as_bytes(std::span(bytes)), path.string());
}

/// The arrays input_0.pb, input_1.pb ...; absent files are absent optional values.
Tensors read_tensors(const fs::path& folder, const std::string& stem, size_t count) {
  Tensors tensors(count);
  for (size_t i = 0; i < count; ++i)
    if (const fs::path path = folder / (stem + "_" + std::to_string(i) + ".pb");
        fs::exists(path) && fs::file_size(path) > 0)
      tensors[i] = read_tensor(path);
  return tensors;
}

/// The cases of And, Or, Xor and Not state the opset in which these last changed, 1 or 7: to them 9, the oldest
/// that vitrail reads, is the same.
OnnxModel read_model(const fs::path& path) {
  std::string bytes = read_file(path);
  onnx::ModelProto proto;
  const auto is_logic = [](const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    return op == "And" || op == "Or" || op == "Xor" || op == "Not";
  };
  if (proto.ParseFromString(bytes) && std::all_of(proto.graph().node().begin(), proto.graph().node().end(), is_logic)) {
    for (auto& opset : *proto.mutable_opset_import()) opset.set_version(std::max(opset.version(), oldest_opset));
    bytes = proto.SerializeAsString();
  }
  return read_onnx(std::as_bytes(std::span(bytes)), path.string());
}

/// Empty where equal, else what differs.
std::string difference(const Tensor& found, const Tensor& expected) {
  if (!expected.defined()) return {};
  if (!found.defined()) return "no output";
  if (found.sizes() != expected.sizes()) return "another shape";
  if (found.scalar_type() != expected.scalar_type())
    return std::string("type ") + at::toString(found.scalar_type()) + " instead of " +
           at::toString(expected.scalar_type());
  // Unsigned types beyond 8 bits have few kernels: compare as double.
  const Tensor a = found.to(at::kDouble), b = expected.to(at::kDouble);
  if (at::allclose(a, b, kRelative, kAbsolute, /*equal_nan=*/true)) return {};
  return "values differ by up to " + std::to_string(a.sub(b).abs().max().item<double>());
}

/// If and Loop are taken apart where constants decide them: with the case's inputs as constants, as a graph.
Tensors run_as_graph(const fs::path& model, const fs::path& data, const OnnxModel& about) {
  onnx::ModelProto proto;
  proto.ParseFromString(read_file(model));
  for (size_t i = 0; i < about.inputs.size(); ++i) {
    const fs::path path = data / ("input_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) continue;
    onnx::TensorProto* constant = proto.mutable_graph()->add_initializer();
    constant->ParseFromString(read_file(path));
    constant->set_name(about.inputs[i].name);
  }
  const fs::path file = fs::temp_directory_path() / ("vitrail_conformance_" + std::to_string(getpid()) + ".onnx");
  std::ofstream(file, std::ios::binary) << proto.SerializeAsString();
  LoadOptions options;
  options.canonical = false;
  std::vector<std::string> outputs;
  for (const OnnxValue& output : about.outputs) outputs.push_back(output.name);
  const Tensors found = Graph::load(file, options).run({}, outputs);
  fs::remove(file);
  return found;
}

enum class Verdict { out_of_scope, passed, failed };

struct DataSet {
  fs::path path;
  Tensors inputs, outputs;
};

struct Result {
  Verdict verdict;
  std::string why;
};

Result run_case(const fs::path& folder) {
  OnnxModel model;
  std::vector<DataSet> data_sets;
  bool has_control_flow = false;
  try {
    model = read_model(folder / "model.onnx");
    for (const NodeSpec& node : model.nodes) {
      has_control_flow |= is_control_flow(node);
      if (!is_control_flow(node) && !OperatorRegistry::all().has(node.op_type, node.domain))
        return {Verdict::out_of_scope, node.op_type};
    }
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.is_directory())
        data_sets.push_back({entry.path(), read_tensors(entry.path(), "input", model.inputs.size()),
                             read_tensors(entry.path(), "output", model.outputs.size())});
  } catch (const Error& e) {
    return {Verdict::out_of_scope, e.what()};  // sequences, optionals, strings, 4-bit types ...
  }
  if (data_sets.empty()) return {Verdict::failed, "the case has no data"};
  try {
    for (const auto& [path, inputs, outputs] : data_sets) {
      const Tensors found =
          has_control_flow ? run_as_graph(folder / "model.onnx", path, model) : testing::run_nodes(model, inputs);
      for (size_t i = 0; i < outputs.size(); ++i)
        if (const std::string what = difference(found[i], outputs[i]); !what.empty())
          return {Verdict::failed, model.outputs[i].name + ": " + what};
    }
  } catch (const c10::Error& e) {
    return {Verdict::failed, e.what_without_backtrace()};
  } catch (const std::exception& e) {
    return {Verdict::failed, e.what()};
  }
  return {Verdict::passed, ""};
}

}  // namespace

int main(int argc, char** argv) try {
  at::NoGradGuard no_grad;
  const bool list_skipped = argc > 1 && std::string(argv[1]) == "--skipped";
  const fs::path data = default_folder();
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(data))
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());

  const auto may_fail = read_skip_list();
  int run = 0, passed = 0, skipped = 0, wrong = 0;
  for (const fs::path& path : cases) {
    const std::string name = path.filename().string();
    const Result result = run_case(path);
    const bool listed = may_fail.count(name) > 0;
    if (result.verdict == Verdict::out_of_scope || (listed && result.verdict == Verdict::failed)) {
      ++skipped;
      if (list_skipped) std::cout << "skipped " << name << ": " << (listed ? may_fail.at(name) : result.why) << "\n";
      continue;
    }
    ++run;
    passed += result.verdict == Verdict::passed;
    if (result.verdict == Verdict::failed) std::cout << "FAILED " << name << ": " << result.why << "\n";
    if (result.verdict == Verdict::passed && listed) std::cout << "PASSES but is in skip.txt: " << name << "\n";
    wrong += result.verdict == Verdict::failed || listed;
  }
  if (run < kFloor) std::cout << "only " << run << " cases ran; expected at least " << kFloor << "\n";
  std::cout << "conformance: " << run << " run, " << passed << " passed, " << skipped << " skipped of " << cases.size()
            << "\n";
  return wrong > 0 || run < kFloor;
} catch (const std::exception& e) {
  std::cerr << "conformance: " << e.what() << "\n";
  return 1;
}
