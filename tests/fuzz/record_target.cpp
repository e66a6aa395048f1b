// Preprocessing records: the sidecar with its label file, and the record of the metadata. What is taken says the same
// when it is written and read again, and prepares a photo.

#include <ATen/ops/full.h>

#include "fuzz/hostile.h"
#include "model/detection/decode.h"
#include "model/json_text.h"
#include "model/record.h"
#include "vitrail/image.h"

namespace {

using namespace vitrail;

void use(const Preprocess& preprocess) {
  const std::string text = preprocess.to_json();
  if (Preprocess::from_json(text, "written").to_json() != text)
    throw InternalError("a record changes when it is written and read again: " + text);
  constexpr int64_t kMost = 512;  // larger ones differ in nothing but time
  if (std::max({preprocess.height, preprocess.width, preprocess.resize_to}) > kMost) return;
  Image image;
  image.pixels = at::full({5, 7, 3}, 100, at::kByte);
  const Tensor input = prepare(image, preprocess).input;
  if (input.sizes().vec() != std::vector<int64_t>{1, preprocess.channels(), preprocess.height, preprocess.width})
    throw InternalError("a photo is not prepared to the size of its record");
}

/// A detector of 64 x 64 pixels, so that there are few cells whatever the strides.
void use_boxes(const std::string& output) {
  constexpr int64_t kSide = 64;
  const nlohmann::json json = parse_json(output, "record");
  if (!json.contains("boxes")) return;
  const std::vector<ValueInfo> outputs = {{"boxes", "float32", {{0, 1}, {84, 0}, {4, 0}}},
                                          {"scores", "float32", {{0, 1}, {84, 0}, {6, 0}}}};
  const BoxDecoder decoder(read_box_record(json["boxes"], "record", outputs, kSide, kSide), kSide, kSide);
  Tensors values;
  for (const std::string& name : decoder.values()) values.push_back(at::full({1, 84, name == "boxes" ? 4 : 6}, 0.5));
  const ModelOutput found = decoder.decode(values);
  if (found.boxes.size(1) != found.scores.size(1) || found.boxes.size(2) != 4)
    throw InternalError("a decoder gives other numbers of boxes than of scores");
  suppress(found, decoder.record().suppression);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path folder = testing::own_folder();
  const std::string text(reinterpret_cast<const char*>(data), size);
  testing::write_file(folder / "model.json", text);
  testing::write_file(folder / "labels.txt", text);
  testing::taken_or_refused([&] {
    if (const auto record = read_sidecar(folder / "model.onnx"); record && record->preprocess) use(*record->preprocess);
  });
  testing::taken_or_refused([&] {
    if (const auto record = read_sidecar(folder / "model.onnx"); record && !record->output.empty())
      use_boxes(record->output);
  });
  testing::taken_or_refused([&] { use(Preprocess::from_json(text, "metadata")); });
  return 0;
}
