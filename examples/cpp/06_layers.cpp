// Layers are names: a class activation map of one, and any method on the value of another.

#include <vitrail/explain.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]);
  const auto photo = vitrail::read_image(argv[2]);

  const auto chosen = vitrail::explain(model, photo, "gradcam").at(0);
  std::printf("gradcam chose %s\n", chosen.plan.at("layer").c_str());
  for (const char* layer : {"_blocks.5", "_blocks.10", "_blocks.15"}) {
    const std::string at = std::string("layer=") + layer;
    const auto cam = vitrail::explain(model, photo, "gradcam:" + at).at(0);
    const auto inside = vitrail::explain(model, photo, "gradient_x_input:" + at).at(0);
    std::printf("%-11s %ldx%ld positions; gradient times activation adds up to %.3f of the score %.3f\n", layer,
                cam.cells.size(0), cam.cells.size(1), inside.cells.sum().item<double>(), inside.score);
  }
}
