#include "report/atomic_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "vitrail/error.h"

namespace vitrail {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() { fs::create_directories(folder_); }
  ~AtomicFileTest() override { fs::remove_all(folder_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_ = fs::temp_directory_path() / ("vitrail_atomic_file_" + std::to_string(getpid()));
  fs::path path_ = folder_ / "result.json";
};

/// Files of this process may not grow beyond `bytes` while it lives; the write then fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &former_);
    const rlimit limit{bytes, former_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &former_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit former_{};
};

TEST_F(AtomicFileTest, AppearsOnlyWhenCommitted) {
  AtomicFile file(path_);
  file.write("one ");
  EXPECT_FALSE(fs::exists(path_));
  file.write("two");
  file.commit();
  EXPECT_EQ(read(path_), "one two");
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, LeavesNothingWhenItIsNotCommitted) {
  {
    AtomicFile(path_).write("half");
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(AtomicFileTest, ReplacesAFormerFileOnlyAtTheEnd) {
  write_file(path_, "former");
  AtomicFile file(path_);
  file.write("new");
  EXPECT_EQ(read(path_), "former");
  file.commit();
  EXPECT_EQ(read(path_), "new");
}

TEST_F(AtomicFileTest, AFullDiskLeavesTheFormerFileAndNoTemporaryOne) {
  write_file(path_, "former");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    try {
      write_file(path_, std::string(100'000, 'x'));
    } catch (const MachineError& error) {
      message = error.what();
    }
  }
  EXPECT_THAT(message, testing::HasSubstr(path_.string()));
  EXPECT_EQ(read(path_), "former");
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, NamesThePathWhereTheFolderIsNone) {
  write_file(path_, "a file");
  try {
    write_file(path_ / "map.npy", "x");
    FAIL() << "a file was taken for a folder";
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("map.npy"), testing::HasSubstr("--out")));
  }
}

TEST_F(AtomicFileTest, AFolderInTheWayIsAnErrorThatLeavesNothing) {
  fs::create_directories(path_ / "inside");
  EXPECT_THROW(write_file(path_, "x"), MachineError);
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace vitrail
