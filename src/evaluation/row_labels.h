#pragma once

// What tells the methods, or the metrics, of one evaluation apart in a table: the name where it is the only one, else
// the name and the options that differ from those of its namesakes, "model_randomisation:share=1".

#include <map>
#include <string>
#include <vector>

namespace vitrail {

class RowLabels {
 public:
  explicit RowLabels(const std::vector<std::string>& canonical);
  const std::string& operator()(const std::string& canonical) const { return labels_.at(canonical); }

 private:
  std::map<std::string, std::string> labels_;
};

}  // namespace vitrail
