#pragma once

// Text in tables of Markdown.

#include <string>

namespace vitrail {

/// As the content of a cell.
inline std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '_' || c == '<' || c == '>') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

/// Code in a cell: only the bar has a meaning there.
inline std::string code(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return "`" + escaped + "`";
}

}  // namespace vitrail
