#include "onnx/tensors.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <fstream>
#include <map>

#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

/// The dimensions, checked for sign and overflow before anything is allocated. The product of those that are not
/// zero must fit too: strides are computed from it.
int64_t count_elements(const onnx::TensorProto& proto, const std::string& name) {
  constexpr int64_t kMost = int64_t{1} << 40;
  constexpr int kMostDimensions = 64;  // what ATen's kernels take
  if (proto.dims_size() > kMostDimensions)
    throw ModelError("the tensor '" + name + "' has " + std::to_string(proto.dims_size()) +
                     " dimensions; expected at most " + std::to_string(kMostDimensions) + ".");
  int64_t product = 1;
  bool empty = false;
  for (int64_t size : proto.dims()) {
    if (size < 0)
      throw ModelError("the tensor '" + name + "' has the negative dimension " + std::to_string(size) +
                       ". The file is broken: export or download it again.");
    if (size > 0 && product > kMost / size)
      throw ModelError("the dimensions of the tensor '" + name +
                       "' give more than 2^40 values. The file is broken: " + "export or download it again.");
    empty = empty || size == 0;
    if (size > 0) product *= size;
  }
  return empty ? 0 : product;
}

/// The typed field that holds values of a type: small integers, half floats and bools travel as int32, unsigned
/// 32 bits as uint64. `visit` gets the field and a value of the type in memory.
template <typename Visit>
auto visit_field(const onnx::TensorProto& proto, at::ScalarType type, const Visit& visit) {
  switch (type) {
    case at::kFloat:
      return visit(proto.float_data(), float{});
    case at::kDouble:
      return visit(proto.double_data(), double{});
    case at::kLong:
      return visit(proto.int64_data(), int64_t{});
    case at::kUInt64:
      return visit(proto.uint64_data(), uint64_t{});
    case at::kUInt32:
      return visit(proto.uint64_data(), uint32_t{});
    case at::kInt:
      return visit(proto.int32_data(), int32_t{});
    case at::kShort:
      return visit(proto.int32_data(), int16_t{});
    case at::kChar:
      return visit(proto.int32_data(), int8_t{});
    case at::kUInt16:
    case at::kHalf:  // half floats travel as their bits
    case at::kBFloat16:
      return visit(proto.int32_data(), uint16_t{});
    default:
      return visit(proto.int32_data(), uint8_t{});
  }
}

int64_t typed_values(const onnx::TensorProto& proto, at::ScalarType type) {
  return visit_field(proto, type, [](const auto& field, auto) { return static_cast<int64_t>(field.size()); });
}

void copy_typed(const onnx::TensorProto& proto, Tensor& tensor) {
  visit_field(proto, tensor.scalar_type(), [&](const auto& field, auto value) {
    auto* out = static_cast<decltype(value)*>(tensor.data_ptr());
    for (const auto& entry : field) *out++ = static_cast<decltype(value)>(entry);
  });
}

void require_size(int64_t found, int64_t expected, const char* unit, const std::string& name) {
  if (found != expected)
    throw ModelError("the tensor '" + name + "' holds " + std::to_string(found) + " " + unit +
                     ", its type and dimensions say " + std::to_string(expected) +
                     ". The file is truncated or broken: export or download it again.");
}

}  // namespace

at::ScalarType scalar_type_of(int onnx_type, const std::string& what) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
      return at::kFloat;
    case onnx::TensorProto::UINT8:
      return at::kByte;
    case onnx::TensorProto::INT8:
      return at::kChar;
    case onnx::TensorProto::UINT16:
      return at::kUInt16;
    case onnx::TensorProto::INT16:
      return at::kShort;
    case onnx::TensorProto::INT32:
      return at::kInt;
    case onnx::TensorProto::INT64:
      return at::kLong;
    case onnx::TensorProto::BOOL:
      return at::kBool;
    case onnx::TensorProto::FLOAT16:
      return at::kHalf;
    case onnx::TensorProto::DOUBLE:
      return at::kDouble;
    case onnx::TensorProto::UINT32:
      return at::kUInt32;
    case onnx::TensorProto::UINT64:
      return at::kUInt64;
    case onnx::TensorProto::BFLOAT16:
      return at::kBFloat16;
    default:
      break;
  }
  const std::string name = onnx::TensorProto::DataType_IsValid(onnx_type)
                               ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(onnx_type))
                               : std::to_string(onnx_type);
  throw ModelError(what + " has the element type " + name +
                   "; expected an ordinary floating, integer or boolean type.");
}

Tensor TensorReader::read(const onnx::TensorProto& proto, const std::string& name) {
  const at::ScalarType type = scalar_type_of(proto.data_type(), "the tensor '" + name + "'");
  const int64_t count = count_elements(proto, name);
  const int64_t bytes = count * static_cast<int64_t>(c10::elementSize(type));
  if (bytes > limits_.max_tensor_bytes - total_bytes_)
    throw ModelError("the tensors of the model take more than the limit of " +
                     std::to_string(limits_.max_tensor_bytes) + " bytes (reached at '" + name + "').");
  total_bytes_ += bytes;

  // What the file holds is compared with the dimensions first: a small file must not make a large allocation.
  const auto make = [&] {
    return at::empty(std::vector<int64_t>(proto.dims().begin(), proto.dims().end()),
                     at::TensorOptions(type == at::kBool ? at::kByte : type));
  };
  Tensor tensor;
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    const ExternalBytes source = locate(proto, name, bytes);
    tensor = make();
    source.read(static_cast<char*>(tensor.data_ptr()), bytes);
  } else if (proto.has_raw_data()) {
    require_size(static_cast<int64_t>(proto.raw_data().size()), bytes, "bytes", name);
    tensor = make();
    if (bytes > 0) std::memcpy(tensor.data_ptr(), proto.raw_data().data(), bytes);
  } else {
    require_size(typed_values(proto, type), count, "values", name);
    tensor = make();
    copy_typed(proto, tensor);
  }
  return type == at::kBool ? tensor.ne(0) : tensor;  // any byte but 0 is true; a bool must be 0 or 1
}

void TensorReader::ExternalBytes::read(char* to, int64_t length) const {
  std::ifstream file(path, std::ios::binary);
  if (!file.seekg(offset) || (length > 0 && !file.read(to, length)))
    throw MachineError(what + ", which cannot be read. Check its permissions and the disk.");
}

TensorReader::ExternalBytes TensorReader::locate(const onnx::TensorProto& proto, const std::string& name,
                                                 int64_t expected) const {
  std::map<std::string, std::string> entries;
  for (const auto& entry : proto.external_data()) entries[entry.key()] = entry.value();
  const std::string location = entries["location"];
  const std::string what = "the tensor '" + name + "' lies in the external file '" + location + "'";
  if (!folder_) throw ModelError(what + "; a model in memory cannot have external data. Load it from its file.");
  const fs::path path = inside_folder(location, what);

  const auto number = [&](const char* key, int64_t otherwise) {
    const std::string text = entries[key];
    if (text.empty()) return otherwise;
    if (text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
      throw ModelError(what + ": its " + key + " is '" + text + "'; expected a number of bytes.");
    return static_cast<int64_t>(std::stoll(text));
  };
  const int64_t offset = number("offset", 0), length = number("length", expected);
  require_size(length, expected, "bytes", name);
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error) throw MachineError(what + ", which cannot be read: " + error.message() + ".");
  if (offset > size || length > size - offset)
    throw ModelError(what + ", bytes " + std::to_string(offset) + " to " + std::to_string(offset + length) +
                     ", but the file has " + std::to_string(size) + ". It is truncated or of another model.");
  return {path, offset, what};
}

fs::path TensorReader::inside_folder(const std::string& location, const std::string& what) const {
  const fs::path relative(location);
  if (location.empty() || relative.is_absolute()) throw ModelError(what + "; expected a path relative to the model.");
  for (const fs::path& part : relative)
    if (part == "..") throw ModelError(what + ", outside the model's folder; such paths are refused.");
  std::error_code error;
  const fs::path root = fs::canonical(folder_->empty() ? fs::path(".") : *folder_, error);
  const fs::path path = fs::canonical(root / relative, error);
  if (error) throw ModelError(what + ", which cannot be found: " + error.message() + ". Keep it beside the model.");
  if (*path.lexically_relative(root).begin() == "..")
    throw ModelError(what + ", a link that leads outside the model's folder; such links are refused.");
  if (!fs::is_regular_file(path, error)) throw ModelError(what + ", which is not a file.");
  return path;
}

}  // namespace vitrail
