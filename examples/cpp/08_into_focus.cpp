// A map that comes into focus: partial results while the method runs.

#include <vitrail/explain.h>
#include <vitrail/partial_results.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]).with_plan();
  const auto photo = model.prepare(vitrail::read_image(argv[2]));
  const std::vector<std::string> targets = {"top1"};

  vitrail::PartialResults looks(vitrail::parse_method("rise:masks=400"), model.probe(model.targets(targets, photo)),
                                photo.input);
  while (const auto found = looks.next()) {
    const auto& e = found->at(0);
    std::printf("%4ld forwards: standard error up to %.3f%s\n", e.forwards, e.standard_error.max().item<double>(),
                e.partial ? "" : ", whole");
  }
}
