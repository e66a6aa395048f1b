// Is the explanation any good? Methods judged by metrics, beside a control that knows nothing of the network.

#include <vitrail/evaluate.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]);
  const auto methods = vitrail::parse_methods("gradcam,occlusion:patch=56,stride=56,random");
  const auto metrics = vitrail::parse_metrics("deletion,insertion,gini");

  std::vector<vitrail::PhotoEvaluation> photos;  // many, in earnest
  photos.push_back(vitrail::evaluate_photo(model, vitrail::read_image(argv[2]), methods, metrics));
  for (const auto& row : vitrail::summarise(photos, methods, metrics).rows)
    std::printf("%s by %s: %.2f, %ld photo\n", row.method_name.c_str(), row.metric_name.c_str(), row.mean, row.n);
}
