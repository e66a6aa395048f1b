#include "plan.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "plan/local_record.h"
#include "vitrail/error.h"
#include "vitrail/memory.h"

namespace vitrail::cli {
namespace {

using Json = nlohmann::json;

/// The plan that a result.json records (of its first explanation that has one), or a file that holds nothing else.
Json read_plan(const std::string& path) {
  std::ifstream file(path);
  const std::string expected =
      "; expected auto, none, or a file that records a plan: a result.json, or "
      "{\"engine\": \"plan\", \"precision\": \"float32\", \"chunk\": \"4\"}.";
  if (!file) throw UsageError("--plan is '" + path + "', which is no file that can be read" + expected);
  Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("engine")) return json;
  if (json.is_object() && json.contains("explanations") && json["explanations"].is_array())
    for (const Json& explanation : json["explanations"])
      if (explanation.is_object() && explanation.contains("plan") && explanation["plan"].is_object() &&
          explanation["plan"].value("engine", "") == "plan")
        return explanation["plan"];
  throw UsageError("--plan is '" + path + "', which records no plan" + expected);
}

/// The local runs that a file with a plan records.
std::string read_incremental(const std::string& path) {
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> records;
  if (json.contains("engine")) records.push_back(json.value("incremental", ""));
  if (json.contains("explanations"))
    for (const Json& explanation : json["explanations"])
      if (explanation.is_object() && explanation.contains("plan") && explanation["plan"].is_object())
        records.push_back(explanation["plan"].value("incremental", ""));
  return join_local_records(records);
}

}  // namespace

PlanArguments PlanArguments::of_whole_images() {
  PlanArguments arguments;
  arguments.incremental = "none";
  return arguments;
}

void PlanArguments::add_to(CLI::App& app) {
  app.add_option("--plan", plan,
                 "how scores are computed: auto (default), a plan made for this machine; none, the graph as it is; or "
                 "the plan that a result.json records")
      ->type_name("auto|none|FILE");
  app.add_option("--precision", precision,
                 "of scores: float32 (default, also on CUDA devices: it is the exact one), bf16 where the processor or "
                 "device computes in it, fp16 on CUDA devices")
      ->check(CLI::IsMember({"float32", "bf16", "fp16"}));
  app.add_option("--incremental", incremental,
                 "images that differ little from known ones: auto" +
                     std::string(incremental == "auto" ? " (default)" : "") +
                     ", compute what differs where that is found to pay; none" +
                     (incremental == "none" ? " (default)" : "") + ", always whole images")
      ->check(CLI::IsMember({"auto", "none"}));
}

PlanArguments::Choice PlanArguments::read_choice(const std::map<std::string, std::string>& recorded,
                                                 const std::string& where) {
  const auto value = [&](const char* key, const char* otherwise) {
    const auto found = recorded.find(key);
    return found == recorded.end() ? std::string(otherwise) : found->second;
  };
  Choice choice;
  choice.wanted = value("engine", "") == "plan";
  choice.options.precision = value("precision", "float32");
  choice.options.side_by_side = value("side_by_side", "no") == "yes";
  try {
    choice.options.chunk = std::stoll(value("chunk", "0"));
    choice.options.gradient_chunk = std::stoll(value("gradient_chunk", "0"));
  } catch (const std::exception&) {
    choice.options.chunk = -1;
  }
  const std::string& found = choice.options.precision;
  if (choice.options.chunk < 0 || choice.options.gradient_chunk < 0 ||
      (found != "float32" && found != "bf16" && found != "fp16"))
    throw UsageError("the plan in " + where + " is " + Json(recorded).dump() +
                     "; expected a precision (float32, bf16 or fp16) and a chunk, a number in quotes.");
  return choice;
}

PlanArguments::Choice PlanArguments::parse() const {
  Choice choice;
  choice.options.precision = precision;
  choice.options.incremental = incremental;
  if (plan == "none") choice.wanted = false;
  if (plan == "auto" && !replayed_.empty()) {
    choice = read_choice(replayed_, "the former result");
    choice.options.incremental = incremental;
    return choice;
  }
  if (plan == "none" || plan == "auto") return choice;
  const Json recorded = read_plan(plan);
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : recorded.items())
    texts[key] = value.is_string() ? value.get<std::string>() : "(" + value.dump() + ")";
  choice = read_choice(texts, plan);
  choice.options.incremental = incremental == "auto" ? read_incremental(plan) : incremental;
  return choice;
}

void PlanArguments::describe(RunRecord& run) const {
  run.plan = plan == "none"   ? "none"
             : plan == "auto" ? (precision == "float32" ? "auto" : "auto " + precision)
                              : "file";
  if (incremental != "auto") run.plan += ", whole images";
  run.engine = {{"engine", "plain"}};
  const Choice choice = parse();
  if (plan == "auto" || !choice.wanted) return;
  run.engine = {{"engine", "plan"},
                {"precision", choice.options.precision},
                {"chunk", std::to_string(choice.options.chunk)},
                {"side_by_side", choice.options.side_by_side ? "yes" : "no"}};
}

void PlanArguments::replay(const RunRecord& run) {
  const auto engine = run.engine.find("engine");
  if (plan == "auto" && engine != run.engine.end() && engine->second == "plan") replayed_ = run.engine;
}

Model PlanArguments::apply(const Model& model, const Tensor& input, bool gradients, int64_t& batch) const {
  Choice choice = parse();
  choice.options.gradients = gradients;
  if (!choice.wanted) return model;
  for (;; batch /= 2) {
    try {
      choice.options.batch = batch;
      return model.with_plan(choice.options, input);
    } catch (const OutOfMemoryError&) {
      if (batch == 1) throw;
      release_kept_memory();
    }
  }
}

}  // namespace vitrail::cli
