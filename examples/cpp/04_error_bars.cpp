// A sampled map has a standard error: four times the samples, half of the error. With `tolerance` or `top` among the
// options a method stops by itself when its map, or the set of its largest cells, is known well enough.

#include <vitrail/rise.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]).with_plan();
  const auto photo = vitrail::read_image(argv[2]);

  for (const int64_t masks : {250, 1000}) {
    const auto e = vitrail::rise(model, photo, "top1", {.masks = masks, .grid = 4}).at(0);
    const double range = e.map.max().item<double>() - e.map.min().item<double>();
    std::printf("%4ld masks: largest standard error %.2f of the range\n", e.forwards,
                e.standard_error.max().item<double>() / range);
  }
}
