#include <algorithm>
#include <array>
#include <cctype>
#include <system_error>

#include "vitrail/image.h"

namespace vitrail {

namespace fs = std::filesystem;

namespace {

bool looks_like_photo(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<const char*, 4> known = {".jpg", ".jpeg", ".png", ".webp"};
  return std::find(known.begin(), known.end(), extension) != known.end();
}

}  // namespace

std::vector<fs::path> photos_in(const fs::path& folder) {
  std::vector<fs::path> photos;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_regular_file(error) && looks_like_photo(entry.path())) photos.push_back(entry.path());
  std::sort(photos.begin(), photos.end());
  return photos;
}

}  // namespace vitrail
