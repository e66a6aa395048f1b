#pragma once

// Images that put shape against texture: what networks and people called them, side by side (vitrail/shape_bias.h has
// the numbers).
//
//   const Categories categories = read_categories("categories16.json");
//   std::vector<CueConflictDecision> decisions;
//   for (each image) {
//     CueConflictDecision decision = cue_conflict_of("airplane4-car1.png", categories);
//     decision.answer = category_of(probabilities, categories);
//     decisions.push_back(decision);
//   }
//   describe_observers("net.onnx", decisions, read_cue_conflict_responses("responses.csv"));
//
// A network that knows finer classes answers with the category whose classes have the largest mean probability, as the
// reference does (a sum would favour categories of many classes). Of an image the name says shape and texture.
//
// Source      Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019; images, names and answers:
//             its repository, texture-vs-shape.

#include <vitrail/shape_bias.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

/// The classes of a network that make each category.
using Categories = std::map<std::string, std::vector<int64_t>>;

/// From JSON: {"cat": {"classes": [281, 282]}, ...}; other keys are not read. InputError saying what is wrong.
Categories read_categories(const std::filesystem::path& file);

/// The category whose classes have the largest mean probability. `probabilities`: [K]. UsageError for a class that is
/// none of K.
std::string category_of(const Tensor& probabilities, const Categories& categories);

/// From an image's name, without an answer: "airplane4-car1.png" has the shape of an airplane and the texture of a car.
/// InputError for other names and for categories that are not in the list.
CueConflictDecision cue_conflict_of(const std::string& image, const Categories& categories);

using CueConflictResponses = std::map<std::string, std::vector<CueConflictDecision>>;

/// By observer, from a table with the columns observer, image, shape, texture, response. InputError saying what is
/// wrong, and in which line.
CueConflictResponses read_cue_conflict_responses(const std::filesystem::path& file);

struct CueConflictObserver {
  enum class Kind { model, network, person, people };
  std::string name = {};
  Kind kind = Kind::model;
  ShapeBias bias = {};
  double consistency = 0;  ///< mean error consistency with people, of a person with the others; NaN where there is none
};

/// The model, then who else answered: networks, people together, each person. People are the observers whose names
/// begin with "subject-", as in the reference. Answers to images that the model was not shown do not count.
std::vector<CueConflictObserver> describe_observers(const std::string& model,
                                                    std::span<const CueConflictDecision> decisions,
                                                    const CueConflictResponses& responses);

}  // namespace vitrail
