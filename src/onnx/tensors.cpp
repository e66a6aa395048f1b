#include "onnx/tensors.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <fstream>
#include <map>

#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

/// The dimensions, checked for sign and overflow before anything is allocated.
int64_t count_elements(const onnx::TensorProto& proto, const std::string& name) {
  constexpr int64_t kMost = int64_t{1} << 40;
  int64_t count = 1;
  for (int64_t size : proto.dims()) {
    if (size < 0)
      throw ModelError("the tensor '" + name + "' has the negative dimension " + std::to_string(size) + ".");
    if (size > 0 && count > kMost / size)
      throw ModelError("the dimensions of the tensor '" + name + "' overflow; the file is broken.");
    count *= size;
  }
  return count;
}

/// Values from one of the typed fields; integers of 16 bits and fewer, half floats and bools travel in int32_data.
template <typename Field, typename T>
void copy_field(const Field& field, Tensor& tensor, const std::string& name) {
  if (field.size() != tensor.numel())
    throw ModelError("the tensor '" + name + "' holds " + std::to_string(field.size()) +
                     " values, its dimensions say " + std::to_string(tensor.numel()) + ".");
  T* out = static_cast<T*>(tensor.data_ptr());
  for (int64_t i = 0; i < tensor.numel(); ++i) out[i] = static_cast<T>(field.Get(static_cast<int>(i)));
}

void copy_typed(const onnx::TensorProto& proto, Tensor& tensor, const std::string& name) {
  using Int32 = decltype(proto.int32_data());
  auto small = [&](auto type) { copy_field<Int32, decltype(type)>(proto.int32_data(), tensor, name); };
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return copy_field<decltype(proto.float_data()), float>(proto.float_data(), tensor, name);
    case at::kDouble:
      return copy_field<decltype(proto.double_data()), double>(proto.double_data(), tensor, name);
    case at::kLong:
      return copy_field<decltype(proto.int64_data()), int64_t>(proto.int64_data(), tensor, name);
    case at::kUInt64:
      return copy_field<decltype(proto.uint64_data()), uint64_t>(proto.uint64_data(), tensor, name);
    case at::kUInt32:
      return copy_field<decltype(proto.uint64_data()), uint32_t>(proto.uint64_data(), tensor, name);
    case at::kInt:
      return small(int32_t{});
    case at::kShort:
      return small(int16_t{});
    case at::kChar:
      return small(int8_t{});
    case at::kUInt16:
    case at::kHalf:  // half floats travel as their bits
    case at::kBFloat16:
      return small(uint16_t{});
    case at::kByte:
    case at::kBool:
      return small(uint8_t{});
    default:
      throw ModelError("the tensor '" + name + "' has a type without typed data.");
  }
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
  total_bytes_ += bytes;
  if (total_bytes_ > limits_.max_tensor_bytes)
    throw ModelError("the tensors of the model take more than " + std::to_string(limits_.max_tensor_bytes >> 20) +
                     " MB (reached at '" + name + "').");

  const bool external = proto.data_location() == onnx::TensorProto::EXTERNAL;
  const std::string from_file = external ? external_bytes(proto, name, bytes) : std::string();
  const std::string& raw = external ? from_file : proto.raw_data();
  const bool has_raw = external || proto.has_raw_data();
  // Before the tensor is made: a small file must not make a large allocation.
  if (has_raw && static_cast<int64_t>(raw.size()) != bytes)
    throw ModelError("the tensor '" + name + "' holds " + std::to_string(raw.size()) + " bytes, its dimensions say " +
                     std::to_string(bytes) + ". The file is truncated or broken.");
  const int64_t typed = proto.float_data_size() + proto.double_data_size() + proto.int32_data_size() +
                        proto.int64_data_size() + proto.uint64_data_size();
  if (!has_raw && typed < count)
    throw ModelError("the tensor '" + name + "' holds " + std::to_string(typed) + " values, its dimensions say " +
                     std::to_string(count) + ". The file is truncated or broken.");

  Tensor tensor = at::empty(std::vector<int64_t>(proto.dims().begin(), proto.dims().end()), at::TensorOptions(type));
  if (has_raw) {
    if (bytes > 0) std::memcpy(tensor.data_ptr(), raw.data(), bytes);
  } else {
    copy_typed(proto, tensor, name);
  }
  return tensor;
}

std::string TensorReader::external_bytes(const onnx::TensorProto& proto, const std::string& name,
                                         int64_t expected) const {
  std::map<std::string, std::string> entries;
  for (const auto& entry : proto.external_data()) entries[entry.key()] = entry.value();
  const std::string location = entries["location"];
  const std::string what = "the tensor '" + name + "' lies in the external file '" + location + "'";
  if (!folder_) throw ModelError(what + "; a model in memory cannot have external data.");

  const fs::path relative(location);
  if (location.empty() || relative.is_absolute()) throw ModelError(what + "; expected a path relative to the model.");
  for (const fs::path& part : relative)
    if (part == "..") throw ModelError(what + ", outside the model's folder; such paths are refused.");
  std::error_code error;
  const fs::path root = fs::canonical(folder_->empty() ? fs::path(".") : *folder_, error);
  const fs::path path = fs::canonical(root / relative, error);
  if (error) throw ModelError(what + ", which cannot be read: " + error.message() + ". Keep it beside the model.");
  const fs::path inside = path.lexically_relative(root);
  if (inside.empty() || *inside.begin() == "..")
    throw ModelError(what + ", a link that leads outside the model's folder; such links are refused.");
  if (!fs::is_regular_file(path)) throw ModelError(what + ", which is not a file.");

  auto number = [&](const char* key, int64_t otherwise) {
    const std::string text = entries[key];
    if (text.empty()) return otherwise;
    if (text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
      throw ModelError(what + ": its " + key + " '" + text + "' is not a number.");
    return static_cast<int64_t>(std::stoll(text));
  };
  const int64_t size = static_cast<int64_t>(fs::file_size(path));
  const int64_t offset = number("offset", 0), length = number("length", expected);
  if (length != expected || offset > size || length > size - offset)
    throw ModelError(what + ", bytes " + std::to_string(offset) + " to " + std::to_string(offset + length) +
                     ", but the file has " + std::to_string(size) + " and the tensor needs " +
                     std::to_string(expected) + ".");
  std::ifstream file(path, std::ios::binary);
  file.seekg(offset);
  std::string bytes(length, '\0');
  if (length > 0 && !file.read(bytes.data(), length)) throw ModelError(what + ", which cannot be read.");
  return bytes;
}

}  // namespace vitrail
