#pragma once

// Tables of text as spreadsheets write them (RFC 4180): a heading of names, then lines of fields, all between commas. A
// field with commas or quotes stands in quotes, its own quotes doubled; a row is one line.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail {

class CsvTable {
 public:
  /// `columns`: what the table must have, in any order; others are not kept. InputError saying what is wrong, and in
  /// which line.
  CsvTable(const std::filesystem::path& file, const std::vector<std::string>& columns);

  size_t rows() const { return rows_.size(); }
  /// `column`: its place in the list that was asked for.
  const std::string& text(size_t row, size_t column) const { return rows_[row].fields[column]; }
  double number(size_t row, size_t column) const;

 private:
  struct Row {
    size_t line = 0;
    std::vector<std::string> fields = {};
  };
  std::string file_;
  std::vector<std::string> columns_;
  std::vector<Row> rows_;
};

}  // namespace vitrail
