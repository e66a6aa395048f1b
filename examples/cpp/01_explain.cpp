// Where does a network look? A model, a photo, a map.

#include <vitrail/explain.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = vitrail::Model::load(argv[1]);
  const auto photo = vitrail::read_image(argv[2]);
  for (const auto& p : model.predict(model.prepare(photo), 3))
    std::printf("%.3f  %s\n", p.probability, p.label.c_str());

  const auto why = vitrail::explain(model, photo, "gradcam").at(0);
  const auto brightest = why.map.argmax().item<int64_t>();
  std::printf("%s of %s: strongest at row %ld, column %ld\n", why.name.c_str(), why.target.title().c_str(),
              brightest / why.map.size(1), brightest % why.map.size(1));
}
