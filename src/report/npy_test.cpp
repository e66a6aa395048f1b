#include "report/npy.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>

#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class NpyRoundTrip : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(NpyRoundTrip, KeepsShapeAndEveryBit) {
  Tensor tensor = at::empty(GetParam(), at::kFloat).fill_(0.1);
  if (tensor.numel() > 1) tensor.view({-1})[0].fill_(std::numeric_limits<float>::denorm_min());
  const Tensor back = decode_npy(encode_npy(tensor));
  EXPECT_TRUE(at::equal(tensor, back));
  EXPECT_EQ(tensor.sizes(), back.sizes());
}

INSTANTIATE_TEST_SUITE_P(Shapes, NpyRoundTrip,
                         testing::Values(std::vector<int64_t>{}, std::vector<int64_t>{5}, std::vector<int64_t>{3, 4},
                                         std::vector<int64_t>{2, 3, 4}, std::vector<int64_t>{0, 7}));

TEST(Npy, HeaderIsThatOfNumpy) {
  const auto bytes = encode_npy(at::zeros({2, 3}, at::kFloat));
  const std::string text = text_of(bytes);
  EXPECT_EQ(text.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_NE(text.find("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"), std::string::npos);
  EXPECT_EQ((bytes.size() - 2 * 3 * sizeof(float)) % 64, 0u) << "values begin at a multiple of 64";
  EXPECT_NE(text_of(encode_npy(at::zeros({5}, at::kFloat))).find("(5, )"), std::string::npos);
}

TEST(Npy, WritesInLogicalOrderAndAsFloat32) {
  const Tensor doubles = at::arange(6, at::kDouble).reshape({2, 3}).t();
  const Tensor back = decode_npy(encode_npy(doubles));
  EXPECT_EQ(back.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(back, doubles.to(at::kFloat)));
}

TEST(Npy, RefusesEveryPrefix) {
  const auto bytes = encode_npy(at::zeros({2, 2}, at::kFloat));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(decode_npy(std::span(bytes).first(size)), InputError) << size;
}

TEST(Npy, ReadsHalvesAndDoublesAsFloat32) {
  const auto header_of = [](const std::string& type) {
    std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (2, ), }";
    return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header;
  };
  const std::string halves = header_of("<f2") + std::string("\x00\x3c\x00\xc0", 4);  // 1, -2
  const std::array<double, 2> values = {0.1, -3};
  const std::string doubles = header_of("<f8") + std::string(reinterpret_cast<const char*>(values.data()), 16);
  EXPECT_TRUE(at::equal(decode_npy(std::as_bytes(std::span(halves))), at::tensor({1.0f, -2.0f})));
  EXPECT_TRUE(at::equal(decode_npy(std::as_bytes(std::span(doubles))), at::tensor({0.1f, -3.0f})));
}

TEST(Npy, RefusesOtherTypes) {
  auto bytes = encode_npy(at::zeros({2, 2}, at::kFloat));
  const size_t type = text_of(bytes).find("<f4");
  bytes[type + 1] = std::byte('i');
  EXPECT_THROW(decode_npy(bytes), InputError);
}

}  // namespace
}  // namespace vitrail
