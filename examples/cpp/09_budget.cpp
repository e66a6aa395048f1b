// Limits and progress: a budget stops a method early with a valid result; a listener sees how far it is.

#include <vitrail/explain.h>

#include <cstdio>

class Last : public vitrail::Listener {
 public:
  void on_progress(int64_t done, int64_t total) override { done_ = done, total_ = total; }
  int64_t done_ = 0, total_ = 0;
};

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]).with_plan();
  const auto photo = vitrail::read_image(argv[2]);

  Last last;
  vitrail::Execution execution;
  execution.budget = vitrail::Budget::parse("200forwards");
  execution.listener = &last;
  const auto why = vitrail::explain(model, photo, "rise:masks=4000", "top1", execution).at(0);
  std::printf("%ld of %ld, %s\n", last.done_, last.total_, why.partial ? "partial" : "whole");
  for (const auto& warning : why.warnings) std::printf("%s\n", warning.c_str());
}
