// Prints the two logits of an image that is 0.75 everywhere, and the gradient of their sum with
// respect to one pixel's red, green and blue.

#include <vitrail/error.h>
#include <vitrail/model.h>

#include <ATen/ops/full.h>

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 2) return EXIT_FAILURE;
  const auto model = vitrail::Model::load(argv[1], {.preprocess = "raw"});
  const auto image = at::full({1, 3, 8, 8}, 0.75).requires_grad_();
  const auto logits = model.logits(image);
  const auto slope = vitrail::gradient({logits.sum()}, {image})[0];
  for (int64_t k = 0; k < 2; ++k) std::cout << logits[0][k].item<float>() << ' ';
  for (int64_t c = 0; c < 3; ++c) std::cout << slope[0][c][2][5].item<float>() << ' ';
  return EXIT_SUCCESS;
} catch (const vitrail::Error& e) {
  std::cerr << e.what() << '\n';
  return EXIT_FAILURE;
}
