// What is explained: a class, its probability, or why this class and not that one. Targets share the forwards.

#include <vitrail/report.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]);
  const auto methods = vitrail::parse_methods("occlusion:patch=56,stride=56");
  const std::vector<std::string> targets = {"top1", "prob:top1", "top1-vs-top2", "281"};

  const auto result = vitrail::explain_image(model, vitrail::read_image(argv[2]), methods, targets);
  for (const auto& e : result.explanations)
    std::printf("%-14s %-11s score %.3f, map from %.3f to %.3f\n", e.target.string.c_str(),
                e.target.unit_name().c_str(), e.score, e.map.min().item<double>(), e.map.max().item<double>());
}
