#include "model/einsum_equation.h"

#include <algorithm>
#include <sstream>

namespace vitrail {

namespace {

const std::string dots = "...";

/// The last `count` of the dimensions that "..." stands for, since those are aligned at their ends.
std::string broadcast_letters(size_t count) {
  static const std::string digits = "0123456789";
  return count <= digits.size() ? digits.substr(digits.size() - count) : "";
}

std::string with_letters(std::string labels, size_t count) {
  const size_t place = labels.find(dots);
  return place == std::string::npos ? labels : labels.replace(place, dots.size(), broadcast_letters(count));
}

bool repeats(std::string labels) {
  std::sort(labels.begin(), labels.end());
  return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
}

}  // namespace

std::optional<EinsumEquation> EinsumEquation::read(const std::string& text, const std::vector<int64_t>& ranks) {
  std::string all = text;
  std::erase(all, ' ');
  const size_t arrow = all.find("->");
  if (arrow == std::string::npos) return std::nullopt;
  EinsumEquation equation;
  size_t most = 0;
  std::istringstream operands(all.substr(0, arrow));
  for (std::string labels; std::getline(operands, labels, ',');) {
    const size_t place = equation.operands.size();
    if (place == ranks.size()) return std::nullopt;
    const auto rank = static_cast<size_t>(ranks[place]);
    const bool open = labels.find(dots) != std::string::npos;
    const size_t written = labels.size() - (open ? dots.size() : 0);
    if (written > rank) return std::nullopt;
    most = open ? std::max(most, rank - written) : most;
    equation.operands.push_back(with_letters(labels, rank - written));
    if (equation.operands.back().size() != rank || repeats(equation.operands.back())) return std::nullopt;
  }
  if (equation.operands.size() != ranks.size()) return std::nullopt;
  equation.result = with_letters(all.substr(arrow + 2), most);
  return equation;
}

}  // namespace vitrail
