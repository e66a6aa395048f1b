#include "onnx/tensors.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "onnx/nodes_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;
using onnx::TensorProto;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::OnnxBuilder;
using testing::refusal;

Tensor read(const TensorProto& proto) {
  const std::string bytes = proto.SerializeAsString();
  return read_onnx_tensor(std::as_bytes(std::span(bytes)), "tensor.pb");
}

TensorProto proto_of(int type, const std::vector<int64_t>& dims, const std::string& raw = "") {
  TensorProto proto;
  proto.set_data_type(type);
  for (int64_t size : dims) proto.add_dims(size);
  if (!raw.empty()) proto.set_raw_data(raw);
  return proto;
}

struct Type {
  int onnx;
  at::ScalarType aten;
  std::string raw;  ///< 1 and 2, little endian
};

const std::vector<Type>& types() {
  using namespace std::string_literals;
  static const std::vector<Type> all = {
      {TensorProto::FLOAT, at::kFloat, "\0\0\x80\x3f\0\0\0\x40"s},
      {TensorProto::DOUBLE, at::kDouble, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40"s},
      {TensorProto::FLOAT16, at::kHalf, "\0\x3c\0\x40"s},
      {TensorProto::BFLOAT16, at::kBFloat16, "\x80\x3f\0\x40"s},
      {TensorProto::INT8, at::kChar, "\1\2"s},
      {TensorProto::UINT8, at::kByte, "\1\2"s},
      {TensorProto::INT16, at::kShort, "\1\0\2\0"s},
      {TensorProto::UINT16, at::kUInt16, "\1\0\2\0"s},
      {TensorProto::INT32, at::kInt, "\1\0\0\0\2\0\0\0"s},
      {TensorProto::UINT32, at::kUInt32, "\1\0\0\0\2\0\0\0"s},
      {TensorProto::INT64, at::kLong, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"s},
      {TensorProto::UINT64, at::kUInt64, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"s},
  };
  return all;
}

void expect_one_two(const Tensor& tensor, at::ScalarType type) {
  EXPECT_EQ(tensor.scalar_type(), type);
  EXPECT_EQ(tensor.sizes().vec(), Ints{2});
  EXPECT_EQ(tensor.to(at::kDouble)[0].item<double>(), 1);
  EXPECT_EQ(tensor.to(at::kDouble)[1].item<double>(), 2);
}

TEST(Tensors, OfEveryTypeAreReadFromRawBytes) {
  for (const Type& type : types()) expect_one_two(read(proto_of(type.onnx, {2}, type.raw)), type.aten);
}

TEST(Tensors, OfEveryTypeAreReadFromTypedFields) {
  for (const Type& type : types()) {
    TensorProto proto = proto_of(type.onnx, {2});
    for (int value : {1, 2}) {
      if (type.onnx == TensorProto::FLOAT)
        proto.add_float_data(value);
      else if (type.onnx == TensorProto::DOUBLE)
        proto.add_double_data(value);
      else if (type.onnx == TensorProto::INT64)
        proto.add_int64_data(value);
      else if (type.onnx == TensorProto::UINT32 || type.onnx == TensorProto::UINT64)
        proto.add_uint64_data(value);
      else if (type.onnx == TensorProto::FLOAT16)
        proto.add_int32_data(value == 1 ? 0x3c00 : 0x4000);
      else if (type.onnx == TensorProto::BFLOAT16)
        proto.add_int32_data(value == 1 ? 0x3f80 : 0x4000);
      else
        proto.add_int32_data(value);
    }
    expect_one_two(read(proto), type.aten);
  }
}

TEST(Tensors, KeepTheEndsOfTheirRange) {
  TensorProto proto = proto_of(TensorProto::INT64, {2});
  proto.add_int64_data(INT64_MIN), proto.add_int64_data(INT64_MAX);
  EXPECT_EQ(read(proto)[0].item<int64_t>(), INT64_MIN);
  EXPECT_EQ(read(proto)[1].item<int64_t>(), INT64_MAX);
  proto = proto_of(TensorProto::INT8, {1});
  proto.add_int32_data(-128);
  EXPECT_EQ(read(proto).item<int8_t>(), -128);
}

TEST(Tensors, OfFloatsAreReadPackedAndUnpacked) {
  // data_type 1, dims 2, float_data 1 and 2: field 4 as one block of bytes, and as one entry each.
  const std::string head("\x08\x02\x10\x01", 4), one("\0\0\x80\x3f", 4), two("\0\0\0\x40", 4);
  for (const std::string& bytes : {head + "\x22\x08" + one + two, head + "\x25" + one + "\x25" + two})
    expect_one_two(read_onnx_tensor(std::as_bytes(std::span(bytes)), "tensor.pb"), at::kFloat);
}

TEST(Tensors, OfBoolsAreTrueWhereTheByteIsNotZero) {
  const Tensor raw = read(proto_of(TensorProto::BOOL, {3}, std::string("\0\1\x80", 3)));
  EXPECT_EQ(raw.scalar_type(), at::kBool);
  EXPECT_TRUE(raw.equal(at::tensor({0, 1, 1}, at::kByte).ne(0)));
  EXPECT_EQ(raw.view(at::kByte).max().item<int>(), 1);
}

TEST(Tensors, MayBeEmptyOrScalar) {
  EXPECT_EQ(read(proto_of(TensorProto::FLOAT, {2, 0})).sizes().vec(), (Ints{2, 0}));
  EXPECT_EQ(read(proto_of(TensorProto::FLOAT, {}, std::string("\0\0\x80\x3f", 4))).item<float>(), 1);
}

TEST(Tensors, OfOtherTypesAreRefusedByName) {
  for (int type : {TensorProto::STRING, TensorProto::COMPLEX64, TensorProto::FLOAT8E4M3FN, TensorProto::INT4,
                   TensorProto::UNDEFINED})
    EXPECT_THAT(refusal([&] { read(proto_of(type, {1}, "0000")); }),
                HasSubstr(TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))));
  EXPECT_THAT(refusal([] { read(proto_of(99, {1}, "0000")); }), HasSubstr("99"));
}

TEST(Tensors, WhoseDimensionsAndDataDisagreeAreRefused) {
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, {2}, "0000")); }),
              AllOf(HasSubstr("4 bytes"), HasSubstr("8")));
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, {1}, "00000000")); }), HasSubstr("8 bytes"));
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, {1})); }), HasSubstr("0 values"));
  TensorProto wrong_field = proto_of(TensorProto::FLOAT, {1});
  wrong_field.add_int32_data(1);
  EXPECT_THAT(refusal([&] { read(wrong_field); }), HasSubstr("0 values"));
}

TEST(Tensors, WithImpossibleDimensionsAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, {-1}, "0000")); }), HasSubstr("-1"));
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{
           {INT64_MAX}, {int64_t{1} << 32, int64_t{1} << 32}, {3, int64_t{1} << 62}, {0, INT64_MAX, INT64_MAX}})
    EXPECT_THAT(refusal([&] { read(proto_of(TensorProto::FLOAT, dims, "0000")); }), HasSubstr("2^40"));
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, {int64_t{1} << 30}, "0000")); }), HasSubstr("4 bytes"));
  EXPECT_THAT(refusal([] { read(proto_of(TensorProto::FLOAT, Ints(65, 1), "0000")); }), HasSubstr("65 dimensions"));
}

/// A model of one initializer of 2 floats that lies in another file.
class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = net().save();
    folder_ = model_.parent_path();
    write(folder_ / "weights.bin");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void write(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << std::string("pad!\0\0\x80\x3f\0\0\0\x40", 12);
  }
  static OnnxBuilder net() {
    OnnxBuilder net;
    net.input("x", {2}).initializer("w", at::tensor({1.f, 2.f})).node("Add", {"x", "w"}, {"y"}).output("y");
    return net;
  }

  static OnnxBuilder external(const std::string& location, const std::string& offset = "4",
                              const std::string& length = "8") {
    OnnxBuilder net = ExternalData::net();
    auto* tensor = net.proto().mutable_graph()->mutable_initializer(0);
    tensor->clear_raw_data();
    tensor->set_data_location(TensorProto::EXTERNAL);
    const std::pair<const char*, std::string> entries[] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    for (const auto& [key, value] : entries) {
      if (value.empty()) continue;
      auto* entry = tensor->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return net;
  }

  Tensor read(const std::string& location, const std::string& offset = "4", const std::string& length = "8") {
    std::ofstream(model_, std::ios::binary) << external(location, offset, length).bytes();
    return read_onnx(model_).initializers.at("w");
  }
  std::string refused(const std::string& location, const std::string& offset = "4", const std::string& length = "8") {
    return refusal([&] { read(location, offset, length); });
  }

  fs::path model_, folder_;
};

TEST_F(ExternalData, IsReadBesideTheModel) {
  expect_one_two(read("weights.bin"), at::kFloat);
  expect_one_two(read("./weights.bin"), at::kFloat);
  expect_one_two(read("weights.bin", "4", ""), at::kFloat);
  write(folder_ / "deeper" / "weights.bin");
  expect_one_two(read("deeper/weights.bin"), at::kFloat);
}

TEST_F(ExternalData, IsFoundFromTheModelsFolderAndNotFromTheCurrentOne) {
  std::ofstream(model_, std::ios::binary) << external("weights.bin").bytes();
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const Tensor here = read_onnx("model.onnx").initializers.at("w");
  fs::current_path(before);
  expect_one_two(here, at::kFloat);
}

TEST_F(ExternalData, OutsideTheFolderIsRefused) {
  const fs::path outside = folder_.string() + "_outside.bin";
  write(outside);
  EXPECT_THAT(refused("../" + outside.filename().string()), HasSubstr("outside"));
  EXPECT_THAT(refused("deeper/../weights.bin"), HasSubstr(".."));
  EXPECT_THAT(refused(outside.string()), HasSubstr("relative"));
  EXPECT_THAT(refused(""), HasSubstr("relative"));
  fs::create_symlink(outside, folder_ / "link.bin");
  EXPECT_THAT(refused("link.bin"), HasSubstr("link"));
  fs::create_directory_symlink(folder_.parent_path(), folder_ / "up");
  EXPECT_THAT(refused("up/" + outside.filename().string()), HasSubstr("link"));
  fs::remove(outside);
}

TEST_F(ExternalData, MayBeALinkInsideTheFolder) {
  fs::create_symlink("weights.bin", folder_ / "link.bin");
  expect_one_two(read("link.bin"), at::kFloat);
}

TEST_F(ExternalData, ThatIsMissingOrNoFileIsRefused) {
  EXPECT_THAT(refused("none.bin"), AllOf(HasSubstr("none.bin"), HasSubstr("beside the model")));
  fs::create_directory(folder_ / "folder");
  EXPECT_THAT(refused("folder"), HasSubstr("not a file"));
  EXPECT_THAT(refusal([&] { testing::read_bytes(external("weights.bin").bytes()); }), HasSubstr("in memory"));
}

TEST_F(ExternalData, BeyondTheFileIsRefused) {
  EXPECT_THAT(refused("weights.bin", "8"), AllOf(HasSubstr("8 to 16"), HasSubstr("has 12")));
  EXPECT_THAT(refused("weights.bin", "999999999999999999"), HasSubstr("has 12"));
  EXPECT_THAT(refused("weights.bin", "99999999999999999999"), HasSubstr("number"));
  EXPECT_THAT(refused("weights.bin", "-4"), HasSubstr("number"));
  EXPECT_THAT(refused("weights.bin", "4", "4"), AllOf(HasSubstr("4 bytes"), HasSubstr("8")));
}

TEST_F(ExternalData, ThatTheDiskRefusesIsAMachineError) {
  std::ofstream(model_, std::ios::binary) << external("weights.bin").bytes();
  fs::permissions(folder_, fs::perms(0755));
  fs::permissions(folder_ / "weights.bin", fs::perms::none);
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  EXPECT_THROW(read_onnx(model_), MachineError);
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST_F(ExternalData, CountsAgainstTheLimitOfAllTensors) {
  std::ofstream(model_, std::ios::binary) << external("weights.bin").bytes();
  ReadLimits limits;
  limits.max_tensor_bytes = 7;
  EXPECT_THAT(refusal([&] { read_onnx(model_, limits); }), HasSubstr("7 bytes"));
  limits.max_tensor_bytes = 8;
  EXPECT_NO_THROW(read_onnx(model_, limits));
}

}  // namespace
}  // namespace vitrail
