// Several methods beside each other, in a folder with pictures and a page for the browser.

#include <vitrail/report.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]);
  const auto methods = vitrail::parse_methods("saliency,gradcam,occlusion:patch=56,stride=56");
  const std::vector<std::string> targets = {"top1"};

  vitrail::Report report("out/02", model);
  const auto result = vitrail::explain_image(model, vitrail::read_image(argv[2]), methods, targets);
  for (const auto& e : result.explanations)
    std::printf("%-10s %ld forwards, %ld backwards, unit: %s\n", e.name.c_str(), e.forwards, e.backwards,
                e.unit.c_str());
  report.add(result);
  std::printf("open %s\n", report.finish().c_str());
}
