#include <vitrail/cue_conflict.h>

#include <cmath>
#include <limits>
#include <set>

namespace vitrail {

namespace {

using Decisions = std::vector<CueConflictDecision>;
using Kind = CueConflictObserver::Kind;

bool is_person(const std::string& observer) { return observer.starts_with("subject-"); }

/// To the images that the model was shown.
CueConflictResponses shared(const CueConflictResponses& responses, std::span<const CueConflictDecision> decisions) {
  std::set<std::string> shown;
  for (const CueConflictDecision& decision : decisions) shown.insert(decision.image);
  CueConflictResponses shared = responses;
  for (auto& entry : shared)
    std::erase_if(entry.second, [&](const CueConflictDecision& answer) { return !shown.contains(answer.image); });
  return shared;
}

/// Mean over the people but `self`.
double consistency(std::span<const CueConflictDecision> decisions, const CueConflictResponses& responses,
                   const std::string& self = "") {
  double sum = 0, count = 0;
  for (const auto& [observer, answers] : responses) {
    if (!is_person(observer) || observer == self) continue;
    const double kappa = error_consistency(decisions, answers);
    if (std::isnan(kappa)) continue;
    sum += kappa;
    ++count;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

}  // namespace

std::vector<CueConflictObserver> describe_observers(const std::string& model,
                                                    std::span<const CueConflictDecision> decisions,
                                                    const CueConflictResponses& responses) {
  const CueConflictResponses known = shared(responses, decisions);
  std::vector<CueConflictObserver> observers = {
      {.name = model, .bias = shape_bias(decisions), .consistency = consistency(decisions, known)}};
  std::vector<CueConflictObserver> people;
  Decisions pooled;
  for (const auto& [observer, answers] : known) {
    CueConflictObserver described{.name = observer,
                                  .kind = is_person(observer) ? Kind::person : Kind::network,
                                  .bias = shape_bias(answers),
                                  .consistency = consistency(answers, known, observer)};
    if (described.kind == Kind::network) {
      observers.push_back(described);
      continue;
    }
    pooled.insert(pooled.end(), answers.begin(), answers.end());
    people.push_back(described);
  }
  if (people.empty()) return observers;
  double sum = 0, count = 0;
  for (const CueConflictObserver& person : people)
    if (!std::isnan(person.consistency)) sum += person.consistency, ++count;
  observers.push_back({.name = std::to_string(people.size()) + " people",
                       .kind = Kind::people,
                       .bias = shape_bias(pooled),
                       .consistency = sum / count});
  observers.insert(observers.end(), people.begin(), people.end());
  return observers;
}

}  // namespace vitrail
