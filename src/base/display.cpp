#include "base/display.h"

#include <cmath>
#include <cstdio>

namespace vitrail {
namespace {

std::string print(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string counted(int64_t n, const std::string& what) { return std::to_string(n) + what + (n == 1 ? "" : "s"); }

}  // namespace

std::string show_number(double value) { return std::isfinite(value) ? print("%.4g", value) : "not a number"; }

std::string show_share(double share) { return std::isfinite(share) ? print("%.1f %%", 100 * share) : "-"; }

std::string show_duration(double seconds) {
  if (std::isnan(seconds)) return "-";
  if (seconds < 0.9995) return print("%.0f ms", 1000 * seconds);
  if (seconds < 9.95) return print("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string show_bytes(int64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  auto amount = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"kB", "MB", "GB", "TB"}) {
    if (amount < 999.5) break;
    amount /= 1000;
    unit = next;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %s", amount, unit);
  return text;
}

std::string show_cost(int64_t forwards, int64_t backwards) {
  return counted(forwards, " forward") + (backwards > 0 ? ", " + counted(backwards, " backward") : "");
}

}  // namespace vitrail
