// A result on disk records how it came about: read it back, compute it again.

#include <vitrail/report.h>
#include <vitrail/reproduce.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]).with_plan();
  const auto methods = vitrail::parse_methods("rise:masks=200,seed=4,gradcam");
  const std::vector<std::string> targets = {"top1"};

  vitrail::Report report("out/10", model);
  const auto written =
      report.add(vitrail::explain_image(model, vitrail::read_image(argv[2]), methods, targets), "photo");

  const auto saved = vitrail::read_result(written.folder / "result.json");
  const auto again = vitrail::reproduce(saved);
  for (const auto& map : again.maps)
    std::printf("%s: %s\n", map.method.substr(0, map.method.find(':')).c_str(), map.same ? "the same" : "different");
}
