// External data of ONNX tensors: the input says where the tensors of a model lie, and what the file beside it holds.
// Whatever location, offset and length say, a tensor that is read holds bytes of that file, and none from outside.

#include <fuzzer/FuzzedDataProvider.h>
#include <onnx-ml.pb.h>

#include <cstring>

#include "fuzz/hostile.h"
#include "onnx/reader.h"

namespace {

namespace fs = std::filesystem;
using namespace vitrail;

/// A model's folder with all that a location may lead to: files, links to the inside, to the outside and to
/// themselves, and beside it what nobody may read.
fs::path make_folder() {
  const fs::path outside = testing::own_folder(), folder = outside / "model";
  fs::remove_all(folder);
  fs::create_directories(folder / "sub");
  testing::write_file(outside / "secret", "never to be read by a model: \x01\x80\xfe\x7f");
  fs::create_symlink("weights", folder / "link");
  fs::create_symlink("../weights", folder / "sub" / "link");
  fs::create_symlink("../secret", folder / "out");
  fs::create_symlink("..", folder / "up");
  fs::create_symlink("loop", folder / "loop");
  fs::create_symlink("/", folder / "root");
  return folder;
}

void add_entry(onnx::TensorProto& tensor, const char* key, const std::string& value) {
  if (value == "-") return;  // left out
  auto* entry = tensor.add_external_data();
  entry->set_key(key), entry->set_value(value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fs::path folder = make_folder();
  FuzzedDataProvider input(data, size);
  onnx::ModelProto model;
  model.add_opset_import()->set_version(20);
  model.mutable_graph()->add_output()->set_name("t0");
  const int count = input.ConsumeIntegralInRange(1, 3);
  for (int i = 0; i < count; ++i) {
    auto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name("t" + std::to_string(i));
    tensor.set_data_type(onnx::TensorProto::UINT8);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    tensor.add_dims(input.ConsumeBool() ? input.ConsumeIntegralInRange(0, 40) : input.ConsumeIntegral<int64_t>());
    for (const char* key : {"location", "offset", "length"})
      add_entry(tensor, key, input.ConsumeRandomLengthString(64));
  }
  const std::string weights = input.ConsumeRemainingBytesAsString();
  testing::write_file(folder / "weights", weights);
  testing::write_file(folder / "model.onnx", model.SerializeAsString());
  testing::taken_or_refused([&] {
    for (const auto& [name, tensor] : read_onnx(folder / "model.onnx").initializers) {
      const std::string_view bytes(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
      // The model's own file lies in its folder too.
      if (weights.find(bytes) == weights.npos && model.SerializeAsString().find(bytes) == std::string::npos)
        throw InternalError(name + " holds bytes that are not of the model's folder");
    }
  });
  return 0;
}
