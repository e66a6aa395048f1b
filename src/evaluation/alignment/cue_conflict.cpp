#include <ATen/ops/tensor.h>
#include <vitrail/cue_conflict.h>
#include <vitrail/error.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "base/text.h"
#include "evaluation/csv_table.h"
#include "model/json_text.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

void check_category(const std::string& word, const std::string& image, const Categories& categories) {
  if (categories.contains(word)) return;
  std::vector<std::string> known;
  for (const auto& entry : categories) known.push_back(entry.first);
  throw InputError("the image " + image + " names the category '" + word + "'. " + did_you_mean(word, known));
}

}  // namespace

Categories read_categories(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || !fs::is_regular_file(file))
    throw InputError(file.string() + " cannot be read; expected the categories and their classes, .json.");
  const nlohmann::json json = parse_json({std::istreambuf_iterator<char>(stream), {}}, file.string());
  Categories categories;
  try {
    for (const auto& [name, category] : json.items())
      categories[name] = category.at("classes").get<std::vector<int64_t>>();
  } catch (const nlohmann::json::exception& error) {
    throw InputError(file.string() + " holds no categories: " + error.what() +
                     R"(. Expected {"cat": {"classes": [281, 282]}, ...}.)");
  }
  for (const auto& entry : categories)
    if (entry.second.empty()) throw InputError(file.string() + ": the category '" + entry.first + "' has no classes.");
  if (categories.size() < 2)
    throw InputError(file.string() + " has " + std::to_string(categories.size()) + " categories, expected at least 2.");
  return categories;
}

std::string category_of(const Tensor& probabilities, const Categories& categories) {
  std::string best;
  double most = 0;
  for (const auto& [name, classes] : categories) {
    const auto outside =
        std::find_if(classes.begin(), classes.end(), [&](int64_t k) { return k < 0 || k >= probabilities.size(0); });
    if (outside != classes.end())
      throw UsageError("the category '" + name + "' has the class " + std::to_string(*outside) +
                       ", the model has classes 0 to " + std::to_string(probabilities.size(0) - 1) + ".");
    const double mean = probabilities.index_select(0, at::tensor(classes)).to(at::kDouble).mean().item<double>();
    if (best.empty() || mean > most) {
      best = name;
      most = mean;
    }
  }
  return best;
}

CueConflictDecision cue_conflict_of(const std::string& image, const Categories& categories) {
  std::smatch parts;
  if (!std::regex_match(image, parts, std::regex(R"(([a-zA-Z_ ]+)\d*-([a-zA-Z_ ]+)\d*\.\w+)")))
    throw InputError("the image " + image +
                     " does not say its shape and texture; expected a name such as "
                     "airplane4-car1.png: the shape of an airplane, the texture of a car.");
  CueConflictDecision decision{.image = image, .shape = parts[1].str(), .texture = parts[2].str()};
  check_category(decision.shape, image, categories);
  check_category(decision.texture, image, categories);
  return decision;
}

CueConflictResponses read_cue_conflict_responses(const fs::path& file) {
  enum Column { observer, image, shape, texture, response };
  const CsvTable table(file, {"observer", "image", "shape", "texture", "response"});
  CueConflictResponses responses;
  for (size_t row = 0; row < table.rows(); ++row)
    responses[table.text(row, observer)].push_back({.image = table.text(row, image),
                                                    .shape = table.text(row, shape),
                                                    .texture = table.text(row, texture),
                                                    .answer = table.text(row, response)});
  return responses;
}

}  // namespace vitrail
