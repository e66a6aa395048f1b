#include "model/record.h"

#include <fstream>
#include <sstream>

#include "model/json_text.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr std::uintmax_t kMaxBytes = 1 << 20;

std::string read_text(const std::filesystem::path& path, const std::string& what) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw UsageError("cannot read the " + what + " " + path.string() + ": " + error.message() + ".");
  if (size > kMaxBytes)
    throw UsageError("the " + what + " " + path.string() + " has " + std::to_string(size) +
                     " bytes; at most 1 MB is expected.");
  // No more than it says to have: files of the system under /proc have no size, and some have no end.
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    throw UsageError("cannot read the " + what + " " + path.string() + ".");
  return text;
}

}  // namespace

std::vector<std::string> split_labels(const std::string& text) {
  std::vector<std::string> labels;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    labels.push_back(line);
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  return labels;
}

ModelRecord read_record(const std::filesystem::path& path) {
  const std::string text = read_text(path, "preprocessing record");
  ModelRecord record;
  record.source = path.string();
  const nlohmann::json json = parse_json(text, path.string());
  if (!json.is_object())
    throw UsageError(path.string() + " holds no JSON object; expected {\"preprocess\": {...}, ...}.");
  try {
    if (json.contains("preprocess"))
      record.preprocess = Preprocess::from_json(json["preprocess"].dump(), path.string());
    if (json.contains("output")) {
      record.output_kind = json["output"].value("kind", "");
      record.output = json["output"].dump();
    }
    if (json.contains("labels"))
      record.labels = split_labels(read_text(path.parent_path() / json["labels"].get<std::string>(), "label file"));
  } catch (const nlohmann::json::exception& e) {
    throw UsageError(path.string() + ": a key has the wrong type: " + e.what());
  }
  return record;
}

std::optional<ModelRecord> read_sidecar(const std::filesystem::path& model) {
  std::filesystem::path path = model;
  path.replace_extension(".json");
  std::error_code error;
  if (path == model || !std::filesystem::is_regular_file(path, error)) return std::nullopt;
  ModelRecord record = read_record(path);
  record.source = "sidecar " + path.filename().string();
  return record;
}

}  // namespace vitrail
