#pragma once

// The small files of tests/data/images, and the pixels that they stand for (tests/data/make_images.py).

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "vitrail/image.h"

namespace vitrail::testing {

inline std::filesystem::path pictures() {
  return std::filesystem::path(VITRAIL_SOURCE_DIR) / "tests" / "data" / "images";
}

inline std::vector<std::byte> file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

/// uint8 [H,W,3] from a binary PPM file.
inline Tensor read_ppm(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int64_t width = 0, height = 0, most = 0;
  file >> magic >> width >> height >> most;
  file.get();
  EXPECT_TRUE(file && magic == "P6" && most == 255) << path;
  Tensor pixels = at::empty({height, width, 3}, at::kByte);
  file.read(reinterpret_cast<char*>(pixels.data_ptr()), static_cast<std::streamsize>(pixels.nbytes()));
  EXPECT_TRUE(file) << path;
  return pixels;
}

/// The names of the encoded files, sorted.
inline std::vector<std::string> encoded_pictures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(pictures()))
    if (entry.path().extension() != ".ppm") names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The largest difference between two images, in levels of 255; 256 where the sizes differ.
inline int64_t levels_apart(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return 256;
  return (a.to(at::kInt) - b.to(at::kInt)).abs().max().item<int64_t>();
}

}  // namespace vitrail::testing
