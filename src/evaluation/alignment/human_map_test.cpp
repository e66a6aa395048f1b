#include <vitrail/human_map.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <vitrail/error.h>

#include <filesystem>
#include <fstream>

#include "report/npy.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
namespace fs = std::filesystem;

class HumanMap : public ::testing::Test {
 protected:
  ~HumanMap() override { fs::remove(file); }
  void save(const Tensor& values) const {
    const auto bytes = encode_npy(values);
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  fs::path file = fs::path(::testing::TempDir()) / ("human-" + std::to_string(getpid()) + ".npy");
};

TEST_F(HumanMap, FollowsTheCropOfThePhoto) {
  // A ramp over a photo of 80 x 40 pixels; the model saw the middle 40 x 40 of it, as 4 x 4.
  save(at::arange(80, at::kFloat).expand({40, 80}));
  const PreparedImage photo{at::zeros({1, 3, 4, 4}), {20, 0, 60, 40}, 80, 40};
  const Tensor expected = (at::arange(4, at::kFloat) * 10 + 24.5).expand({4, 4});
  EXPECT_TRUE(at::allclose(read_human_map(file, photo), expected, 1e-5, 1e-4));
}

TEST_F(HumanMap, OfAnotherResolutionIsReadBetweenItsValues) {
  save(at::arange(8, at::kFloat).expand({4, 8}));  // 10 photo pixels a value
  const PreparedImage photo{at::zeros({1, 3, 4, 8}), {0, 0, 80, 40}, 80, 40};
  EXPECT_TRUE(at::allclose(read_human_map(file, photo), at::arange(8, at::kFloat).expand({4, 8}), 1e-5, 1e-5));
}

TEST_F(HumanMap, AFolderHoldsOneOfEachPerson) {
  const fs::path folder = file.string() + ".d";
  fs::create_directory(folder);
  const PreparedImage photo{at::zeros({1, 3, 2, 2}), {0, 0, 2, 2}, 2, 2};
  EXPECT_THAT(message_of<InputError>([&] { read_human_maps(folder, photo); }), HasSubstr("holds no maps"));
  std::ofstream(folder / "notes.txt") << "of 2026";
  for (const char* person : {"b.npy", "a.npy"}) {
    save(at::full({2, 2}, person[0] == 'a' ? 1.0f : 2.0f));
    fs::rename(file, folder / person);
  }
  const Tensor maps = read_human_maps(folder, photo);
  ASSERT_EQ(maps.sizes(), (at::IntArrayRef{2, 2, 2}));
  EXPECT_TRUE(at::allclose(maps[0], at::full({2, 2}, 1.0f)));
  EXPECT_TRUE(at::allclose(maps[1], at::full({2, 2}, 2.0f)));
  fs::remove_all(folder);
}

TEST_F(HumanMap, OtherFormsAreNamed) {
  save(at::zeros({2, 3, 4}));
  const PreparedImage photo{at::zeros({1, 3, 4, 4}), {0, 0, 4, 4}, 4, 4};
  EXPECT_THAT(message_of<InputError>([&] { read_human_map(file, photo); }), HasSubstr("3 axes"));
  EXPECT_THAT(message_of<InputError>([&] { read_human_map("/nowhere.npy", photo); }), HasSubstr("/nowhere.npy"));
}

}  // namespace
}  // namespace vitrail
