#include "evaluation/csv_table.h"

#include <gmock/gmock.h>
#include <vitrail/error.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/message_of.h"

namespace vitrail {
namespace {

using testing::message_of;

class CsvTableTest : public ::testing::Test {
 protected:
  ~CsvTableTest() override { std::filesystem::remove(file_); }

  CsvTable table(const std::string& text) {
    std::ofstream(file_, std::ios::binary) << text;
    return {file_, {"image", "x"}};
  }
  std::string refused(const std::string& text) {
    return message_of<InputError>([&] { table(text); });
  }

 private:
  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() /
      ("csv_table_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".csv");
};

TEST_F(CsvTableTest, ReadsTheColumnsThatAreAskedFor) {
  const CsvTable found = table("x,viewer,image\n1.5,7,cat.jpg\n\n-2,8,dog.jpg\n");
  ASSERT_EQ(found.rows(), 2U);
  EXPECT_EQ(found.text(0, 0), "cat.jpg");
  EXPECT_EQ(found.number(0, 1), 1.5);
  EXPECT_EQ(found.number(1, 1), -2);
}

TEST_F(CsvTableTest, ReadsWhatSpreadsheetsWrite) {
  const CsvTable found = table("\xef\xbb\xbf\"image\",x\r\n\"a \"\"big\"\" cat, asleep.jpg\",3\r\n,4\r\n");
  ASSERT_EQ(found.rows(), 2U);
  EXPECT_EQ(found.text(0, 0), "a \"big\" cat, asleep.jpg");
  EXPECT_EQ(found.number(0, 1), 3);
  EXPECT_EQ(found.text(1, 0), "");
}

TEST_F(CsvTableTest, SaysWhatIsWrongInWhichLine) {
  EXPECT_THAT(refused("image,y\n"), ::testing::HasSubstr("no column \"x\""));
  EXPECT_THAT(refused("image,x\na,1\nb\n"), ::testing::HasSubstr("line 3: found 1 fields, expected 2: image,x"));
  EXPECT_THAT(refused("image,x\n\"a,1\n"), ::testing::HasSubstr("line 2: a quote is opened and not closed: \"a,1"));
  EXPECT_THAT(refused("image,\"x\na,1\n"), ::testing::HasSubstr("line 1: a quote is opened and not closed"));
  EXPECT_THAT(message_of<InputError>([&] { table("image,x\na,left\n").number(0, 1); }),
              ::testing::HasSubstr("line 2, x: found \"left\""));
}

}  // namespace
}  // namespace vitrail
