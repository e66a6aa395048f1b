#include "doctor/onnx_runtime.h"

#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "onnx/inner_values.h"
#include "vitrail/error.h"

extern char** environ;

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Runs the model once as it is for its values, then optimised for its speed; writes raw arrays and answer.json.
constexpr const char* kScript = R"(
import json, pathlib, statistics, sys, time
import numpy
import onnxruntime

here = pathlib.Path(sys.argv[1])
request = json.loads((here / "request.json").read_text())


def session(optimised):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = request["threads"]
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", request["folder"])
    model = request["model"] if optimised else (here / "model.onnx").read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


x = numpy.fromfile(here / "input.bin", dtype=request["type"]).reshape(request["shape"])
arrays = []
for i, (name, array) in enumerate(zip(request["values"], session(False).run(request["values"], {request["input"]: x}))):
    if not isinstance(array, numpy.ndarray) or array.dtype.name not in ("float32", "float64", "int64", "int32", "bool"):
        continue
    numpy.ascontiguousarray(array).tofile(here / f"{i}.bin")
    arrays.append({"name": name, "file": f"{i}.bin", "type": array.dtype.name, "shape": array.shape})
seconds = {}
for batch in request["batches"]:
    try:
        fast = session(True)
        repeated = numpy.concatenate([x] * batch)[: batch * len(x)]
        times = []
        for _ in range(6):
            begin = time.perf_counter()
            fast.run(None, {request["input"]: repeated})
            times.append(time.perf_counter() - begin)
        seconds[str(batch)] = statistics.median(times[1:])
    except Exception:
        pass
answer = {"version": "onnxruntime " + onnxruntime.__version__, "arrays": arrays, "seconds": seconds}
(here / "answer.json").write_text(json.dumps(answer))
)";

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "vitrail_doctor_XXXXXX").string();
    if (!mkdtemp(name.data())) throw MachineError("cannot make a folder in " + fs::temp_directory_path().string());
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void write(const fs::path& path, const void* bytes, size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  if (!file.flush()) throw MachineError("cannot write " + path.string() + ". Is the disk full?");
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kInt:
      return "int32";
    case at::kByte:
      return "uint8";
    case at::kBool:
      return "bool";
    default:
      return "int64";
  }
}

Tensor read_array(const fs::path& folder, const Json& about) {
  const std::string type = about.at("type");
  const at::ScalarType scalar = type == "float32"   ? at::kFloat
                                : type == "float64" ? at::kDouble
                                : type == "int32"   ? at::kInt
                                : type == "bool"    ? at::kBool
                                                    : at::kLong;
  Tensor array = at::empty(about.at("shape").get<std::vector<int64_t>>(), scalar);
  const std::string bytes = read_text(folder / about.at("file").get<std::string>());
  if (bytes.size() != array.nbytes()) throw MachineError("an array from Python is incomplete");
  if (!bytes.empty()) std::memcpy(array.data_ptr(), bytes.data(), bytes.size());
  return array;
}

/// Runs a program with its standard streams in files. Its exit status, or -1 where it does not start.
int run_program(const std::vector<std::string>& words, const fs::path& out, const fs::path& error) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of(" \n");
  if (end == std::string::npos) return "it said nothing";
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin).substr(0, 300);
}

}  // namespace

std::optional<OnnxRuntimeAnswer> ask_onnx_runtime(const OnnxRuntimeRequest& request, std::string& why) {
  constexpr const char* kPatience = "300";  // seconds
  const TemporaryFolder folder;
  const fs::path& here = folder.path();
  const ModelWithInnerValues model = give_out_inner_values(request.model, request.values);
  const Tensor x = request.sample.contiguous();
  write(here / "ask.py", kScript, std::strlen(kScript));
  write(here / "model.onnx", model.bytes.data(), model.bytes.size());
  write(here / "input.bin", x.data_ptr(), x.nbytes());
  const Json json = {{"model", fs::absolute(request.model).string()},
                     {"folder", fs::absolute(request.model).parent_path().string()},
                     {"input", request.input},
                     {"type", type_name(x.scalar_type())},
                     {"shape", x.sizes().vec()},
                     {"values", model.values},
                     {"batches", request.batches},
                     {"threads", request.threads}};
  const std::string text = json.dump();
  write(here / "request.json", text.data(), text.size());
  const int status = run_program({"timeout", kPatience, request.python, (here / "ask.py").string(), here.string()},
                                 here / "out.txt", here / "error.txt");
  const Json answer = Json::parse(read_text(here / "answer.json"), nullptr, /*allow_exceptions=*/false);
  if (status != 0 || answer.is_discarded()) {
    why = status == 124 ? "it took longer than " + std::string(kPatience) + " s"
                        : last_line(read_text(here / "error.txt"));
    return std::nullopt;
  }
  OnnxRuntimeAnswer result;
  result.version = answer.at("version");
  for (const Json& array : answer.at("arrays")) result.values[array.at("name")] = read_array(here, array);
  for (const auto& [batch, seconds] : answer.at("seconds").items()) result.seconds[std::stoll(batch)] = seconds;
  return result;
}

}  // namespace vitrail
