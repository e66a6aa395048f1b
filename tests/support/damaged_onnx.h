#pragma once

// Damaged ONNX files, for tests: a valid model, and what comes of it when bytes or fields of it are changed at random.
// The file is taken apart as protobuf writes it on the wire, without the schema, so that every field is reached.

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/onnx_builder.h"

namespace vitrail::testing {

using Random = std::mt19937;

inline size_t below(size_t end, Random& random) { return std::uniform_int_distribution<size_t>(0, end - 1)(random); }

/// Opset 9: convolution, pooling, resizing, and all that adapters turn from attributes into inputs.
inline OnnxBuilder convolutional_model() {
  OnnxBuilder net(9);
  net.input("x", {-1, 3, 8, 8}).initializer("w", at::ones({4, 3, 3, 3})).initializer("b", at::ones({4}));
  net.node("Conv", {"x", "w", "b"}, {"conv"}).attribute("pads", std::vector<int64_t>{1, 1, 1, 1});
  net.scopes("['', 'features', 'features.0', 'conv']");
  net.node("Clip", {"conv"}, {"clip"}).attribute("min", 0.f).attribute("max", 6.f);
  net.node("MaxPool", {"clip"}, {"pool"}).attribute("kernel_shape", std::vector<int64_t>{2, 2});
  net.attribute("auto_pad", "SAME_UPPER");
  net.initializer("scales", at::ones({4})).node("Upsample", {"pool", "scales"}, {"up"}).attribute("mode", "nearest");
  net.node("Pad", {"up"}, {"pad"}).attribute("pads", std::vector<int64_t>(8, 1)).attribute("value", 1.f);
  net.node("ReduceMean", {"pad"}, {"mean"}).attribute("axes", std::vector<int64_t>{2, 3});
  net.node("Squeeze", {"mean"}, {"flat"}).attribute("axes", std::vector<int64_t>{2, 3});
  net.node("Split", {"flat"}, {"left", "right"}).attribute("axis", int64_t{1});
  net.node("Constant", {}, {"two"}).attribute("value_float", 2.f).node("Mul", {"left", "two"}, {"twice"});
  net.node("Concat", {"twice", "right"}, {"all"}).attribute("axis", int64_t{1});
  net.node("Softmax", {"all"}, {"y"}).output("y").metadata("labels", "cat");
  return net;
}

/// Opset 20: tokens, attention written out, shapes computed from the input, slices and gathers.
inline OnnxBuilder token_model() {
  const auto longs = [](std::vector<int64_t> values) { return at::tensor(values, at::kLong); };
  OnnxBuilder net(20);
  net.input("x", {-1, 5, 8}).initializer("scale", at::ones({8})).initializer("w", at::ones({8, 24}));
  net.node("LayerNormalization", {"x", "scale"}, {"norm"}).attribute("epsilon", 1e-5f);
  net.node("MatMul", {"norm", "w"}, {"qkv"}).initializer("thirds", longs({8, 8, 8}));
  net.node("Split", {"qkv", "thirds"}, {"q", "k", "v"}).attribute("axis", int64_t{-1});
  net.node("Transpose", {"k"}, {"kt"}).attribute("perm", std::vector<int64_t>{0, 2, 1});
  net.node("MatMul", {"q", "kt"}, {"scores"}).node("Softmax", {"scores"}, {"attention"});
  net.node("MatMul", {"attention", "v"}, {"mixed"}).node("Gelu", {"mixed"}, {"gelu"});
  net.initializer("one", longs({1})).initializer("last", longs({4})).initializer("end", longs({INT64_MAX}));
  net.node("Slice", {"gelu", "one", "end", "one", "one"}, {"tail"});
  net.initializer("index", longs({3, 0})).node("Gather", {"tail", "index"}, {"two"}).attribute("axis", int64_t{1});
  net.node("Shape", {"two"}, {"shape"}).attribute("end", int64_t{1});
  net.initializer("rest", longs({16})).node("Concat", {"shape", "rest"}, {"flat_shape"}).attribute("axis", int64_t{0});
  net.node("Reshape", {"two", "flat_shape"}, {"flat"}).node("Einsum", {"flat", "flat"}, {"gram"});
  net.attribute("equation", "ij,ij->i").initializer("axes", longs({1})).node("Unsqueeze", {"gram", "axes"}, {"up"});
  net.initializer("shape2", longs({1, 3})).node("Expand", {"up", "shape2"}, {"wide"});
  net.initializer("best", longs({2}))
      .node("TopK", {"wide", "best"}, {"top", "where"})
      .node("Cast", {"where"}, {"where_f"});
  net.attribute("to", int64_t{1}).node("Add", {"top", "where_f"}, {"y"}).output("y");
  return net;
}

inline std::string damage_bytes(std::string bytes, Random& random) {
  static const std::string kEdges("\x00\x01\x7f\x80\xff", 5);
  for (size_t count = 1 + below(8, random); count > 0 && !bytes.empty(); --count) {
    const size_t at = below(bytes.size(), random), length = 1 + below(std::min<size_t>(8, bytes.size() - at), random);
    switch (below(5, random)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8, random)));
        break;
      case 1:
        bytes[at] = kEdges[below(kEdges.size(), random)];
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      default:
        bytes.resize(at + 1);
    }
  }
  return bytes;
}

/// One field of a message on the wire: the tag (number and kind), and the bytes behind it.
struct Field {
  uint64_t tag;
  std::string payload;  ///< of kind 2 (texts, packed lists, messages) without its length
  int kind() const { return static_cast<int>(tag & 7); }
};

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[0]);
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return {};
}

/// Nothing where the bytes are no message.
inline std::optional<std::vector<Field>> parse(std::string_view bytes) {
  std::vector<Field> fields;
  while (!bytes.empty()) {
    const auto tag = take_varint(bytes);
    if (!tag || *tag < 8) return {};
    std::optional<uint64_t> length;
    const std::string_view before = bytes;
    switch (*tag & 7) {
      case 0:
        if (take_varint(bytes)) length = before.size() - bytes.size(), bytes = before;
        break;
      case 1:
        length = 8;
        break;
      case 2:
        length = take_varint(bytes);
        break;
      case 5:
        length = 4;
        break;
      default:
        return {};
    }
    if (!length || *length > bytes.size()) return {};
    fields.push_back({*tag, std::string(bytes.substr(0, *length))});
    bytes.remove_prefix(*length);
  }
  return fields;
}

inline std::string serialize(const std::vector<Field>& fields) {
  std::string bytes;
  for (const Field& field : fields) {
    bytes += varint(field.tag);
    if (field.kind() == 2) bytes += varint(field.payload.size());
    bytes += field.payload;
  }
  return bytes;
}

/// Another value of the same kind: an extreme number, or a text that means something elsewhere.
inline std::string other_value(const Field& field, Random& random) {
  static const int64_t kIntegers[] = {0, 1, -1, 2, 3, 7, 16, INT32_MAX, INT64_MAX, INT64_MIN, int64_t{1} << 40};
  static const float kNumbers[] = {0, -1, 1e30f, -1e30f, INFINITY, NAN};
  static const std::string kTexts[] = {"", "x", "y", "Conv", "Split", "Reshape", "Resize", "axes", "\xff\xfe", "w"};
  if (field.kind() == 0) return varint(static_cast<uint64_t>(kIntegers[below(std::size(kIntegers), random)]));
  if (field.kind() == 2) return kTexts[below(std::size(kTexts), random)];
  const float number = kNumbers[below(std::size(kNumbers), random)];
  std::string bytes(field.payload.size(), '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

/// Walks down to a random field, and removes it, repeats it, swaps it with another or gives it another value.
inline std::string damage_structure(const std::string& bytes, Random& random) {
  std::vector<Field> fields = parse(bytes).value();
  Field& field = fields[below(fields.size(), random)];
  const bool is_message = field.kind() == 2 && !field.payload.empty() && parse(field.payload);
  switch (below(is_message ? 20 : 6, random)) {
    case 0:
      std::swap(field, fields.back());
      fields.pop_back();
      break;
    case 1:
      fields.push_back(Field(field));
      break;
    case 2:
      std::swap(field.payload, fields[below(fields.size(), random)].payload);
      break;
    default:
      field.payload = is_message ? damage_structure(field.payload, random) : other_value(field, random);
  }
  return serialize(fields);
}

/// Between one and four damages to the structure.
inline std::string damage_structure_often(std::string bytes, Random& random) {
  for (size_t count = 1 + below(4, random); count > 0 && !bytes.empty() && parse(bytes); --count)
    bytes = damage_structure(bytes, random);
  return bytes;
}

}  // namespace vitrail::testing
