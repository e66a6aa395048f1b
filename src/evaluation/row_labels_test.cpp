#include "evaluation/row_labels.h"

#include <gmock/gmock.h>

namespace vitrail {
namespace {

TEST(RowLabels, NamesakesAreToldApartByTheOptionsThatDiffer) {
  const std::string half = "check:seed=1,share=0.5", whole = "check:seed=1,share=1", other = "entropy:bins=3";
  const RowLabels label({half, whole, other, "plain"});
  EXPECT_EQ(label(half), "check:share=0.5");
  EXPECT_EQ(label(whole), "check:share=1");
  EXPECT_EQ(label(other), "entropy");
  EXPECT_EQ(label("plain"), "plain");
}

TEST(RowLabels, OneStringTwiceIsOneName) {
  EXPECT_EQ(RowLabels({"check:share=1", "check:share=1"})("check:share=1"), "check");
}

}  // namespace
}  // namespace vitrail
