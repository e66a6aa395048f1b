#include <vitrail/image.h>
#include <vitrail/preprocess.h>

#include <string>

#include "bindings.h"

namespace vitrail::python {
namespace {

py::bytes bytes_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Image image_of(const Tensor& pixels, const std::string& path) {
  Image image;
  image.pixels = pixels;
  image.path = path;
  return image;
}

PreparedImage prepared_of(const Tensor& input) {
  PreparedImage prepared;
  prepared.input = input;
  prepared.height = input.size(2);
  prepared.width = input.size(3);
  prepared.placed = {0, 0, static_cast<double>(prepared.width), static_cast<double>(prepared.height)};
  return prepared;
}

}  // namespace

void bind_images(py::module_& module) {
  py::class_<Image>(module, "Image")
      .def(py::init(&image_of), py::arg("pixels"), py::arg("path") = "")
      .def_readonly("pixels", &Image::pixels)
      .def_readonly("path", &Image::path)
      .def_readonly("sha256", &Image::sha256)
      .def_property_readonly("height", &Image::height)
      .def_property_readonly("width", &Image::width);
  module.def(
      "read_image",
      [](const std::string& path, bool exif) {
        DecodeOptions options;
        options.apply_exif_orientation = exif;
        return read_image(path, options);
      },
      py::arg("path"), py::arg("exif") = false, py::call_guard<py::gil_scoped_release>());
  module.def("encode_png", [](const Tensor& pixels) { return bytes_of(encode_png(pixels)); }, py::arg("pixels"));

  py::class_<Rectangle>(module, "Rectangle")
      .def(py::init<double, double, double, double>(), py::arg("x0"), py::arg("y0"), py::arg("x1"), py::arg("y1"))
      .def_readonly("x0", &Rectangle::x0)
      .def_readonly("y0", &Rectangle::y0)
      .def_readonly("x1", &Rectangle::x1)
      .def_readonly("y1", &Rectangle::y1);

  py::class_<PreparedImage>(module, "PreparedImage")
      .def(py::init(&prepared_of), py::arg("input"))
      .def_readonly("input", &PreparedImage::input)
      .def_readonly("placed", &PreparedImage::placed)
      .def_readonly("height", &PreparedImage::height)
      .def_readonly("width", &PreparedImage::width);

  py::class_<Preprocess>(module, "Preprocess")
      .def_static(
          "preset",
          [](const std::string& name, int64_t height, int64_t width, int64_t channels) {
            return Preprocess::preset(name, height, width, channels, Layout::nchw);
          },
          py::arg("name"), py::arg("height"), py::arg("width"), py::arg("channels") = 3)
      .def_static("from_json", &Preprocess::from_json, py::arg("text"), py::arg("where"))
      .def("to_json", &Preprocess::to_json)
      .def_readonly("height", &Preprocess::height)
      .def_readonly("width", &Preprocess::width)
      .def_property_readonly("channels", &Preprocess::channels);
  module.def("pixel_in_input_space", &pixel_in_input_space, py::arg("value"), py::arg("preprocess"));
  module.def("prepare", &prepare, py::arg("image"), py::arg("preprocess"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace vitrail::python
