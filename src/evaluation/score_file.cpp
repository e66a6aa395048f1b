#include "evaluation/score_file.h"

#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <system_error>

#include "base/json_values.h"
#include "base/text.h"
#include "report/atomic_file.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// "scores.jsonl", "scores-2-of-8.jsonl".
std::string file_name(const std::string& stem, const Shard& shard) {
  const std::string part = shard.of == 1 ? "" : "-" + std::to_string(shard.number) + "-of-" + std::to_string(shard.of);
  return stem + part + ".jsonl";
}

Json json_of_curve(const Tensor& values) {
  const Tensor numbers = values.to(at::kDouble).contiguous();
  Json json = Json::array();
  for (int64_t i = 0; i < numbers.numel(); ++i) json.push_back(number_or_null(numbers.const_data_ptr<double>()[i]));
  return json;
}

Tensor curve_of(const Json& json) {
  std::vector<double> values;
  for (const Json& value : json) values.push_back(number_or_nan(value));
  return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble).clone();
}

OrderedJson json_of_score(const MetricScore& score) {
  OrderedJson json = {{"value", number_or_null(score.value)}};
  if (!score.undefined.empty()) json["undefined"] = score.undefined;
  json["forwards"] = score.forwards;
  json["backwards"] = score.backwards;
  if (score.curve_y.defined()) {
    json["x"] = json_of_curve(score.curve_x);
    json["y"] = json_of_curve(score.curve_y);
  }
  for (const auto& [name, value] : score.parts) json["parts"][name] = number_or_null(value);
  return json;
}

MetricScore score_of(const Json& json) {
  MetricScore score;
  score.value = number_or_nan(json.at("value"));
  score.undefined = json.value("undefined", "");
  score.forwards = json.at("forwards").get<int64_t>();
  score.backwards = json.at("backwards").get<int64_t>();
  if (json.contains("y")) {
    score.curve_x = curve_of(json.at("x"));
    score.curve_y = curve_of(json.at("y"));
  }
  const Json parts = json.value("parts", Json::object());
  for (const auto& [name, value] : parts.items()) score.parts[name] = number_or_nan(value);
  return score;
}

OrderedJson json_of_method(const MethodEvaluation& method) {
  if (!method.refused.empty()) return {{"refused", method.refused}};
  OrderedJson scores = OrderedJson::array();
  for (const MetricScore& score : method.scores) scores.push_back(json_of_score(score));
  OrderedJson json = {{"forwards", method.forwards}, {"backwards", method.backwards}, {"scores", scores}};
  for (const auto& values : method.repeats) {
    OrderedJson& list = json["repeats"].emplace_back(OrderedJson::array());
    for (const double value : values) list.emplace_back(number_or_null(value));
  }
  return json;
}

MethodEvaluation method_of(const Json& json) {
  MethodEvaluation method;
  method.refused = json.value("refused", "");
  if (!method.refused.empty()) return method;
  method.forwards = json.at("forwards").get<int64_t>();
  method.backwards = json.at("backwards").get<int64_t>();
  for (const Json& score : json.at("scores")) method.scores.push_back(score_of(score));
  for (const Json& list : json.value("repeats", Json::array())) {
    std::vector<double>& values = method.repeats.emplace_back();
    for (const Json& value : list) values.push_back(number_or_nan(value));
  }
  return method;
}

PhotoEvaluation photo_of(const Json& json) {
  PhotoEvaluation photo;
  photo.place = json.at("place").get<int64_t>();
  photo.path = json.at("path").get<std::string>();
  photo.problem = json.value("problem", "");
  if (!photo.problem.empty()) return photo;
  photo.sha256 = json.at("sha256").get<std::string>();
  photo.target.string = json.at("target").at("string").get<std::string>();
  photo.target.index = json.at("target").at("index").get<int64_t>();
  photo.target.label = json.at("target").at("label").get<std::string>();
  photo.target.name = json.at("target").at("name").get<std::string>();
  for (const Json& method : json.at("methods")) photo.methods.push_back(method_of(method));
  const Json ceilings = json.value("ceilings", Json::object());
  for (const auto& [metric, value] : ceilings.items()) photo.ceilings[metric] = number_or_nan(value);
  return photo;
}

std::string seconds_to_json_line(const PhotoEvaluation& photo) {
  OrderedJson seconds = OrderedJson::array();
  for (const MethodEvaluation& method : photo.methods) {
    seconds.push_back({method.seconds});
    for (const double of_metric : method.score_seconds) seconds.back().push_back(of_metric);
  }
  return to_text(OrderedJson{{"place", photo.place}, {"seconds", seconds}});
}

/// The times of one line, first that of the map: put where they belong.
void add_seconds(const Json& json, PhotoEvaluation& photo) {
  const Json& seconds = json.at("seconds");
  for (size_t m = 0; m < photo.methods.size() && m < seconds.size(); ++m) {
    photo.methods[m].seconds = seconds[m].at(0).get<double>();
    photo.methods[m].score_seconds.assign(seconds[m].begin() + 1, seconds[m].end());
  }
}

/// The whole lines of a file, and the bytes they take.
struct Lines {
  std::vector<Json> json;
  size_t bytes = 0;
};

Lines read_lines(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Lines lines;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', lines.bytes)) {
    try {
      lines.json.push_back(Json::parse(text.substr(lines.bytes, end - lines.bytes)));
    } catch (const Json::exception& error) {
      throw InputError(path.string() + ", line " + std::to_string(lines.json.size() + 1) +
                       " is not the line of a photo: " + error.what() +
                       ". Take another folder, or begin anew with --force.");
    }
    lines.bytes = end + 1;
  }
  return lines;
}

std::vector<PhotoEvaluation> photos_of(const Lines& scores, const Lines& seconds, const fs::path& path) {
  try {
    std::map<int64_t, const Json*> times;  // the last of a place: a photo may have been begun twice
    for (const Json& line : seconds.json) times[line.at("place").get<int64_t>()] = &line;
    std::vector<PhotoEvaluation> photos;
    for (const Json& line : scores.json) {
      photos.push_back(photo_of(line));
      if (const auto found = times.find(photos.back().place); found != times.end())
        add_seconds(*found->second, photos.back());
    }
    return photos;
  } catch (const Json::exception& error) {
    throw InputError(path.string() + " holds no scores of an evaluation: " + error.what());
  }
}

}  // namespace

std::string to_json_line(const PhotoEvaluation& photo) {
  OrderedJson json = {{"place", photo.place}, {"path", photo.path}};
  if (!photo.problem.empty()) {
    json["problem"] = photo.problem;
    return to_text(json);
  }
  json["sha256"] = photo.sha256;
  json["target"] = {{"string", photo.target.string},
                    {"index", photo.target.index},
                    {"label", photo.target.label},
                    {"name", photo.target.name}};
  json["methods"] = OrderedJson::array();
  for (const MethodEvaluation& method : photo.methods) json["methods"].push_back(json_of_method(method));
  for (const auto& [metric, value] : photo.ceilings) json["ceilings"][metric] = number_or_null(value);
  return to_text(json);
}

/// A file that lines are appended to by one process at a time.
class ScoreWriter::File {
 public:
  explicit File(const fs::path& path) : path_(path) {
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("open", errno);
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      close(descriptor_);
      throw MachineError(path.string() +
                         " is being written by another process. Wait for it, or give each process its own --shard.");
    }
    lines_ = read_lines(path);
    size_ = lines_.bytes;
    cut();
  }
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const Lines& lines() const { return lines_; }

  void append(const std::string& line) {
    const std::string text = line + "\n";
    for (size_t done = 0; done < text.size();) {
      const ssize_t written = ::write(descriptor_, text.data() + done, text.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        cut();
        fail("write", error);
      }
      done += static_cast<size_t>(written);
    }
    if (fdatasync(descriptor_) != 0) fail("write", errno);
    size_ += text.size();
  }

 private:
  /// To whole lines.
  void cut() {
    if (ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) fail("write", errno);
  }
  [[noreturn]] void fail(const std::string& action, int error) const {
    throw MachineError("cannot " + action + " " + path_.string() + ": " + std::generic_category().message(error) +
                       ". What is in it stays; the same command goes on from there.");
  }

  fs::path path_;
  int descriptor_ = -1;
  Lines lines_;
  size_t size_ = 0;
};

ScoreWriter::ScoreWriter(const fs::path& folder, const Shard& shard) {
  const fs::path path = folder / file_name("scores", shard);
  scores_ = std::make_unique<File>(path);
  seconds_ = std::make_unique<File>(folder / file_name("seconds", shard));
  former_ = photos_of(scores_->lines(), seconds_->lines(), path);
}

ScoreWriter::~ScoreWriter() = default;

void ScoreWriter::append(const PhotoEvaluation& photo) {
  seconds_->append(seconds_to_json_line(photo));  // first: whoever has scores has times
  scores_->append(to_json_line(photo));
}

std::vector<PhotoEvaluation> read_scores(const std::vector<fs::path>& folders, size_t photos) {
  std::map<int64_t, PhotoEvaluation> by_place;
  std::vector<std::string> found;
  const std::regex pattern(R"(scores(-\d+-of-\d+)?\.jsonl)");
  for (const fs::path& folder : folders)
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      std::smatch part;
      if (!std::regex_match(name, part, pattern)) continue;
      found.push_back(entry.path().string());
      const Lines seconds = read_lines(folder / ("seconds" + part[1].str() + ".jsonl"));
      for (PhotoEvaluation& photo : photos_of(read_lines(entry.path()), seconds, entry.path()))
        by_place.insert_or_assign(photo.place, std::move(photo));
    }
  std::vector<PhotoEvaluation> all;
  for (auto& [place, photo] : by_place) {
    if (place != static_cast<int64_t>(all.size())) break;
    all.push_back(std::move(photo));
  }
  if (all.size() != photos || by_place.size() != photos) {
    std::sort(found.begin(), found.end());
    throw InputError("the evaluation is of " + std::to_string(photos) + " photos, and number " +
                     std::to_string(all.size() + 1) + " has no scores yet; found " +
                     (found.empty() ? "no scores" : join(found)) + ". Run the shards that are missing first.");
  }
  return all;
}

void write_scores(const fs::path& folder, const std::vector<PhotoEvaluation>& photos) {
  std::string scores, seconds;
  for (const PhotoEvaluation& photo : photos) {
    scores += to_json_line(photo) + "\n";
    seconds += seconds_to_json_line(photo) + "\n";
  }
  write_file(folder / "seconds.jsonl", seconds);
  write_file(folder / "scores.jsonl", scores);
}

}  // namespace vitrail
