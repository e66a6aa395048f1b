#pragma once

// Concept-conditional relevance: of what arrives at a layer, the chosen channels go on.

#include <string>
#include <vector>

#include "attribution/relevance/walk.h"

namespace vitrail {

class Channels {
 public:
  /// `layer` a layer or value, or "none"; `channels` "3+17", or "all". UsageErrors for what does not exist.
  Channels(const RelevanceGraph& graph, const std::string& layer, const std::string& channels);

  bool chosen() const { return value_ >= 0; }

  /// Adds the condition to a walk; `kept` becomes the relevance of the chosen channels when the walk gets there.
  void condition(Walk& walk, double& kept) const;

 private:
  int value_ = -1;
  int64_t axis_ = 1;                    ///< of the channels: the last one of tokens [N,T,K], else 1
  std::vector<int64_t> channels_ = {};  ///< empty: all
};

}  // namespace vitrail
