#pragma once

// The short way: a model, a photo, a method string and a target string.
//
//   auto model = vitrail::Model::load("model.onnx");
//   auto image = vitrail::read_image("cat.jpg");
//   auto explanation = vitrail::explain(model, image, "sobol:grid=8", "top1").at(0);
//   std::cout << explanation.summary();

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>

#include <string>
#include <vector>

namespace vitrail {

/// One result a method and resolved target ("top3" gives three), methods in the given order.
std::vector<Explanation> explain(const Model& model, const Image& image, const std::string& methods = "sobol",
                                 const std::string& target = "top1", const Execution& execution = {});

}  // namespace vitrail
