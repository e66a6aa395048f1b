#include "base/text.h"

#include <gmock/gmock.h>

namespace vitrail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("sitting", "kitten"), 3u);
  EXPECT_EQ(edit_distance("lsh", "lhs"), 1u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(NearestWords, NearestFirstAndNothingFarAway) {
  EXPECT_THAT(nearest_words("soboll", {"saliency", "sobol", "sobolev"}, 2), ElementsAre("sobol", "sobolev"));
  EXPECT_THAT(nearest_words("xyz", {"saliency", "sobol"}), ElementsAre());
  EXPECT_THAT(nearest_words("conv1", {"layer1.conv1", "layer4.conv2"}), ElementsAre("layer1.conv1"));
}

TEST(DidYouMean, NamesTheKnownAndAsks) {
  EXPECT_EQ(did_you_mean("gird", {"grid", "seed"}), "Known: grid, seed. Did you mean \"grid\"?");
  EXPECT_EQ(did_you_mean("tabby cat", {"tabby", "dog"}), "Known: tabby, dog. Did you mean \"tabby\"?");
  EXPECT_EQ(did_you_mean("colour", {"grid", "seed"}), "Known: grid, seed.");
}

TEST(DidYouMean, OfALongListOnlyTheNearest) {
  std::vector<std::string> layers;
  for (int i = 0; i < 100; ++i) layers.push_back("block" + std::to_string(i) + ".conv");
  EXPECT_THAT(did_you_mean("block42.con", layers), HasSubstr("block42.conv"));
  EXPECT_THAT(did_you_mean("block42.con", layers), Not(HasSubstr("block77")));
}

}  // namespace
}  // namespace vitrail
