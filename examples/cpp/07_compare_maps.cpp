// Do two maps say the same? Rank correlation, the share of the top that both have, and which cells differ by more than
// the noise of sampling.

#include <vitrail/compare.h>
#include <vitrail/explain.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]).with_plan();
  const auto photo = vitrail::read_image(argv[2]);

  const auto first = vitrail::explain(model, photo, "sobol:grid=4,seed=1").at(0);
  for (const char* other : {"sobol:grid=4,seed=2", "morris:grid=4"}) {
    const auto maps = vitrail::compare_maps(first, vitrail::explain(model, photo, other).at(0));
    std::printf("%-20s rank correlation %.2f, %.0f %% of the top %ld in both, %ld cells differ\n", other,
                maps.rank_correlation, 100 * maps.top_overlap, maps.top, maps.differing);
  }
}
