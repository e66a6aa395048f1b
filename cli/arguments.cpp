#include "arguments.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <regex>

#include "base/display.h"
#include "terminal.h"
#include "vitrail/error.h"
#include "vitrail/memory.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;

std::vector<int64_t> parse_size(const std::string& text) {
  std::smatch parts;
  if (!std::regex_match(text, parts, std::regex("([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")))
    throw UsageError("--input-size is '" + text + "'; expected HEIGHTxWIDTH, e.g. 224x224.");
  return {std::stoll(parts[1]), std::stoll(parts[2])};
}

/// "4G", "512M", "1.5 GB": powers of ten.
int64_t parse_bytes(const std::string& text) {
  std::smatch parts;
  if (!std::regex_match(text, parts, std::regex(R"(([0-9]{1,12}(\.[0-9]{1,6})?) ?([KMGT])B?)", std::regex::icase)))
    throw UsageError("--memory is '" + text + "'; expected a size such as 512M or 4G.");
  const auto bytes =
      static_cast<double>(std::stold(parts[1])) *
      std::pow(1000.0,
               1 + static_cast<double>(std::string("KMGT").find(static_cast<char>(std::toupper(parts[3].str()[0])))));
  constexpr double kLeast = 1e6, kMost = 1e15;
  if (bytes < kLeast || bytes > kMost) throw UsageError("--memory is '" + text + "'; expected between 1M and 1000T.");
  return static_cast<int64_t>(bytes);
}

}  // namespace

void ModelArguments::add_to(CLI::App& app) {
  app.add_option("model", path, "the network, an ONNX file")->required()->type_name("MODEL");
  add_options_to(app);
}

void ModelArguments::add_options_to(CLI::App& app) {
  app.add_option("--preprocess", preprocess, "a JSON record, or a preset: imagenet, half, unit, raw")
      ->type_name("FILE|PRESET");
  app.add_option("--input-size", input_size, "fixes an input size that the file leaves open")->type_name("HxW");
  app.add_option("--output", output, "which output, where the model has several")->type_name("OUTPUT");
  app.add_option("--device", device, "cpu (default), cuda or cuda:N")->type_name("DEVICE");
  app.add_option("--memory", memory, "most that the process may hold, e.g. 512M or 4G (default: no limit)")
      ->type_name("SIZE");
  app.add_option("--threads", threads, "threads of the arithmetic (default: all)")->check(CLI::Range(1, 4096));
}

ModelOptions ModelArguments::check() const {
  ModelOptions options;
  if (!std::regex_match(device, std::regex("cpu|cuda(:[0-9]{1,3})?")))
    throw UsageError("--device is '" + device + "'; expected cpu, cuda or cuda:N.");
  if (!input_size.empty()) options.graph.input_size = parse_size(input_size);
  options.graph.device = device;
  options.preprocess = preprocess;
  options.output = output;
  memory_limit();
  std::error_code error;
  if (!fs::exists(path, error))
    throw ModelError("the model " + path + " does not exist; expected the path of an ONNX file.");
  if (fs::is_directory(path, error))
    throw ModelError("the model " + path + " is a folder; expected the path of an ONNX file.");
  return options;
}

void ModelArguments::set_limits() const {
  if (threads > 0) at::set_num_threads(threads);
  const int64_t limit = memory_limit();
  if (limit == 0) return;
  // The file is in memory twice while it is taken apart, and what takes it apart knows of no limit.
  std::error_code error;
  const auto needed = memory_use().resident + 3 * static_cast<int64_t>(fs::file_size(path, error));
  if (!error && needed > limit)
    throw OutOfMemoryError("loading " + path + " takes about " + show_bytes(needed) + ", --memory allows " +
                           show_bytes(limit) + ".");
  limit_memory(limit);
}

Model ModelArguments::load() const {
  const ModelOptions options = check();
  set_limits();
  Model model = Model::load(path, options);
  if (memory_limit() > 0) limit_memory(memory_limit());  // what loading held besides tensors is free again
  return model;
}

int64_t ModelArguments::memory_limit() const { return memory.empty() ? 0 : parse_bytes(memory); }

void ImageArguments::add_to(CLI::App& app) {
  app.add_option("images", paths, "photos (JPEG, PNG, WebP), or folders of them")->required()->type_name("IMAGE");
  app.add_flag("--exif", exif, "turn photos as their EXIF orientation says");
}

std::vector<Photo> ImageArguments::find() const {
  std::vector<Photo> photos;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::exists(path, error)) {
      photos.push_back({path, path + " does not exist; expected a photo or a folder of photos."});
    } else if (!fs::is_directory(path, error)) {
      photos.push_back({path, ""});
    } else {
      const std::vector<fs::path> inside = photos_in(path);
      for (const fs::path& photo : inside) photos.push_back({photo, ""});
      if (inside.empty())
        photos.push_back({path, "the folder " + path + " holds no photo (.jpg, .jpeg, .png, .webp)."});
    }
  }
  std::string problems;
  bool usable = false;
  for (const Photo& photo : photos) {
    usable = usable || photo.problem.empty();
    if (!photo.problem.empty()) problems += (problems.empty() ? "" : "\n") + photo.problem;
  }
  if (!usable) throw InputError(problems);
  if (!problems.empty()) print_error(problems);
  return photos;
}

Image ImageArguments::read(const fs::path& path) const {
  DecodeOptions options;
  options.apply_exif_orientation = exif;
  return read_image(path, options);
}

}  // namespace vitrail::cli
