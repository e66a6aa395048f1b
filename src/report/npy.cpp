#include "report/npy.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>

#include "vitrail/error.h"

namespace vitrail {
namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

constexpr char kMagic[] = "\x93NUMPY\x01";  // and the minor version 0 that ends the literal
constexpr size_t kMagicSize = 8, kLengthSize = 2, kAlignment = 64;

std::string header_of(const Tensor& tensor) {
  std::string shape;
  for (int64_t size : tensor.sizes()) shape += std::to_string(size) + ", ";
  if (tensor.dim() > 1) shape.resize(shape.size() - 2);
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  const size_t unpadded = kMagicSize + kLengthSize + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  return header + "\n";
}

at::ScalarType type_in(const std::string& header) {
  for (const auto& [name, type] :
       {std::pair("<f4", at::kFloat), std::pair("<f2", at::kHalf), std::pair("<f8", at::kDouble)})
    if (header.find("'descr': '" + std::string(name) + "'") != std::string::npos) return type;
  throw InputError("the .npy header '" + header + "' is not one of a float16, float32 or float64 array.");
}

std::vector<int64_t> shape_in(const std::string& header) {
  const size_t begin = header.find("'shape': ("), end = header.find(')', begin);
  if (header.find("'fortran_order': False") == std::string::npos || begin == std::string::npos ||
      end == std::string::npos)
    throw InputError("the .npy header '" + header + "' is not one of an array in C order.");
  std::istringstream text(header.substr(begin + 10, end - begin - 10));
  std::vector<int64_t> shape;
  for (int64_t size; text >> size; text.ignore(1, ',')) shape.push_back(size);
  return shape;
}

}  // namespace

std::vector<std::byte> encode_npy(const Tensor& tensor) {
  const Tensor values = tensor.detach().cpu().to(at::kFloat).contiguous();
  const std::string header = header_of(values);
  const size_t start = kMagicSize + kLengthSize + header.size();
  std::vector<std::byte> bytes(start + values.nbytes());
  std::memcpy(bytes.data(), kMagic, kMagicSize);
  bytes[kMagicSize] = std::byte(header.size() & 0xff);
  bytes[kMagicSize + 1] = std::byte(header.size() >> 8);
  std::memcpy(bytes.data() + kMagicSize + kLengthSize, header.data(), header.size());
  // Not memcpy, which may not be given the null pointer of an empty tensor.
  std::copy_n(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes(), bytes.data() + start);
  return bytes;
}

Tensor decode_npy(std::span<const std::byte> bytes) {
  if (bytes.size() < kMagicSize + kLengthSize || std::memcmp(bytes.data(), kMagic, kMagicSize) != 0)
    throw InputError("not a .npy file of version 1.0.");
  const size_t length = std::to_integer<size_t>(bytes[kMagicSize]) | std::to_integer<size_t>(bytes[kMagicSize + 1])
                                                                         << 8;
  bytes = bytes.subspan(kMagicSize + kLengthSize);
  if (bytes.size() < length) throw InputError("the .npy file ends within its header.");
  const std::string header(reinterpret_cast<const char*>(bytes.data()), length);
  bytes = bytes.subspan(length);
  const std::vector<int64_t> shape = shape_in(header);
  const at::ScalarType type = type_in(header);
  const size_t size_of_value = at::elementSize(type);
  size_t values = 1;
  for (int64_t size : shape) {
    const size_t most = std::numeric_limits<size_t>::max() / size_of_value;
    if (size < 0 || (size > 0 && values > most / static_cast<size_t>(size)))
      throw InputError("the .npy shape is not one.");
    values *= static_cast<size_t>(size);
  }
  if (bytes.size() != values * size_of_value)
    throw InputError("the .npy file holds " + std::to_string(bytes.size()) + " bytes of values; its shape needs " +
                     std::to_string(values * size_of_value) + ".");
  Tensor tensor = at::empty(shape, type);
  if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor.to(at::kFloat);
}

}  // namespace vitrail
