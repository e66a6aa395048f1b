#include "attribution/options.h"

#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace vitrail {

namespace {

template <class Number>
void read_number(const std::string& text, Number& value, const char* expected) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) throw std::invalid_argument(expected);
}

template <class Number>
std::string write_number(Number value) {
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

}  // namespace

void read_value(const std::string& text, int64_t& value) { read_number(text, value, "a whole number."); }

void read_value(const std::string& text, uint64_t& value) {
  read_number(text, value, "a whole number from 0 to 18446744073709551615.");
}

void read_value(const std::string& text, double& value) {
  read_number(text, value, "a number such as 0.25 or 1e-3.");
  if (!std::isfinite(value)) throw std::invalid_argument("a finite number.");
}

void read_value(const std::string& text, bool& value) {
  if (text != "true" && text != "false") throw std::invalid_argument("true or false.");
  value = text == "true";
}

void read_value(const std::string& text, std::string& value) {
  if (text.empty()) throw std::invalid_argument("a word.");
  value = text;
}

void read_value(const std::string& text, Baseline& value) {
  try {
    value = Baseline(text);
  } catch (const UsageError& error) {
    throw std::invalid_argument(std::string("a baseline. ") + error.what());
  }
}

std::string write_value(int64_t value) { return write_number(value); }
std::string write_value(uint64_t value) { return write_number(value); }
std::string write_value(double value) { return write_number(value); }
std::string write_value(bool value) { return value ? "true" : "false"; }
std::string write_value(const std::string& value) { return value; }
std::string write_value(const Baseline& value) { return value.name(); }

Constraint at_least(double least) {
  return {[=](double value) { return value >= least; }, "at least " + write_value(least) + "."};
}

Constraint between(double least, double most) {
  return {[=](double value) { return value >= least && value <= most; },
          "from " + write_value(least) + " to " + write_value(most) + "."};
}

Constraint positive() {
  return {[](double value) { return value > 0; }, "more than 0."};
}

}  // namespace vitrail
