#include "evaluation/csv_table.h"

#include <vitrail/error.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "attribution/options.h"
#include "base/text.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  if (line.ends_with(',')) fields.emplace_back();
  return fields;
}

}  // namespace

CsvTable::CsvTable(const fs::path& file, const std::vector<std::string>& columns)
    : file_(file.string()), columns_(columns) {
  std::ifstream stream(file, std::ios::binary);
  std::string line;
  if (!fs::is_regular_file(file) || !std::getline(stream, line))
    throw InputError(file_ + " cannot be read; expected a table with the heading " + join(columns, ",") + ".");
  const std::vector<std::string> heading = split(line);
  std::vector<size_t> places;
  for (const std::string& column : columns) {
    const auto found = std::find(heading.begin(), heading.end(), column);
    if (found == heading.end())
      throw InputError(file_ + " has no column \"" + column + "\"; found the heading " + join(heading, ",") +
                       ", expected one with " + join(columns, ",") + ".");
    places.push_back(static_cast<size_t>(found - heading.begin()));
  }
  for (size_t number = 2; std::getline(stream, line); ++number) {
    const std::vector<std::string> fields = split(line);
    if (fields.empty()) continue;
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
