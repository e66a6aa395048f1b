#pragma once

// What may come next in a method list or a target: for shells, and for every other place where they are typed.

#include <string>
#include <vector>

namespace vitrail {

struct Candidate {
  std::string text;         ///< the whole of what was typed, completed
  std::string description;  ///< may be empty
};

/// Of a list such as "saliency,sobol:grid=8,des": methods, keys of options, and words for their values. `layers` are
/// those that the option `layer` may name.
std::vector<Candidate> complete_methods(const std::string& text, const std::vector<std::string>& layers = {});

/// Of a target such as "prob:tab": top1, classes by their labels (with underscores for blanks, which mean the same),
/// and the second class of a contrast. Case does not matter.
std::vector<Candidate> complete_target(const std::string& text, const std::vector<std::string>& labels = {});

}  // namespace vitrail
