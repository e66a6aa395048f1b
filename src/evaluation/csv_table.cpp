#include "evaluation/csv_table.h"

#include <vitrail/error.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "attribution/options.h"
#include "base/text.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

/// The fields of a line; nothing where a quote is opened and not closed.
std::optional<std::vector<std::string>> split(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ',' && !quoted)
      fields.emplace_back();
    else if (line[i] != '"')
      fields.back() += line[i];
    else if (quoted && line.substr(i + 1).starts_with('"'))
      fields.back() += line[i++];
    else
      quoted = !quoted;
  }
  if (quoted) return std::nullopt;
  return fields;
}

std::string_view without_byte_order_mark(std::string_view line) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return line.starts_with(kMark) ? line.substr(kMark.size()) : line;
}

}  // namespace

CsvTable::CsvTable(const fs::path& file, const std::vector<std::string>& columns)
    : file_(file.string()), columns_(columns) {
  std::ifstream stream(file, std::ios::binary);
  std::string line;
  if (!fs::is_regular_file(file) || !std::getline(stream, line))
    throw InputError(file_ + " cannot be read; expected a table with the heading " + join(columns, ",") + ".");
  size_t number = 1;
  const auto fields_of = [&](std::string_view text) {
    if (auto fields = split(text)) return *fields;
    throw InputError(file_ + ", line " + std::to_string(number) +
                     ": a quote is opened and not closed: " + std::string(text));
  };
  const std::vector<std::string> heading = fields_of(without_byte_order_mark(line));
  std::vector<size_t> places;
  for (const std::string& column : columns) {
    const auto found = std::find(heading.begin(), heading.end(), column);
    if (found == heading.end())
      throw InputError(file_ + " has no column \"" + column + "\"; found the heading " + join(heading, ",") +
                       ", expected one with " + join(columns, ",") + ".");
    places.push_back(static_cast<size_t>(found - heading.begin()));
  }
  while (std::getline(stream, line)) {
    ++number;
    if (line.empty() || line == "\r") continue;
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() != heading.size())
      throw InputError(file_ + ", line " + std::to_string(number) + ": found " + std::to_string(fields.size()) +
                       " fields, expected " + std::to_string(heading.size()) + ": " + join(heading, ",") + ".");
    Row& row = rows_.emplace_back(Row{.line = number});
    for (const size_t place : places) row.fields.push_back(fields[place]);
  }
}

double CsvTable::number(size_t row, size_t column) const {
  double value = 0;
  try {
    read_value(text(row, column), value);
  } catch (const std::invalid_argument& expected) {
    throw InputError(file_ + ", line " + std::to_string(rows_[row].line) + ", " + columns_[column] + ": found \"" +
                     text(row, column) + "\", expected " + expected.what());
  }
  return value;
}

}  // namespace vitrail
