#include "report/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "Free space there, or choose another folder with --out.";
    case EFBIG:
      return "The file is larger than this system allows: raise the limit (ulimit -f), or choose another folder.";
    case EACCES:
    case EPERM:
    case EROFS:
      return "Ask for permission to write there, or choose another folder with --out.";
    case ENOTDIR:
    case EISDIR:
      return "A file stands where a folder is needed, or the reverse: choose another folder with --out.";
    default:
      return "Check the disk, or choose another folder with --out.";
  }
}

/// This machine's name as part of a file's: another one that shares the disk has other process numbers.
std::string host() {
  char name[65] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "host";
  std::string text(name);
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '-';
  return text.empty() ? "host" : text;
}

}  // namespace

void remove_stale_parts(const std::filesystem::path& folder) {
  const std::string mark = "." + host() + ".";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') || !name.ends_with(".part")) continue;
    const size_t begin = name.rfind(mark);
    if (begin == std::string::npos) continue;
    const std::string number = name.substr(begin + mark.size(), name.size() - begin - mark.size() - 5);
    if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto process = static_cast<pid_t>(std::stol(number));
    const bool alive = process != getpid() && (kill(process, 0) == 0 || errno != ESRCH);
    std::error_code ignored;
    if (!alive) std::filesystem::remove(entry.path(), ignored);
  }
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  const std::string name = "." + path.filename().string() + "." + host() + "." + std::to_string(getpid()) + ".part";
  temporary_ = path.parent_path() / name;
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("create", errno);
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("write", errno);
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    unlink(temporary_.c_str());
    fail("write", error);
  }
}

bool AtomicFile::commit_if_first() {
  if (fsync(descriptor_) != 0) fail("write", errno);
  const bool first = link(temporary_.c_str(), path_.c_str()) == 0;
  if (!first && errno != EEXIST) fail("write", errno);
  discard();
  return first;
}

void AtomicFile::discard() noexcept {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
  descriptor_ = -1;
}

void AtomicFile::fail(const std::string& action, int error) {
  discard();
  throw MachineError("cannot " + action + " " + path_.string() + ": " + std::generic_category().message(error) + ". " +
                     advice(error));
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace vitrail
