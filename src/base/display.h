#pragma once

// Figures for people: on the terminal, in captions and reports. Files for machines keep every digit.

#include <cstdint>
#include <string>

namespace vitrail {

/// Four significant digits; "not a number" where it is none.
std::string show_number(double value);

/// "61.2 %"; "-" where it is no number.
std::string show_share(double share);

/// "18 ms", "3.2 s", "12 s", "3 min 20 s", "2 h 5 min"; "-" where it is no number.
std::string show_duration(double seconds);

/// "512 bytes", "1.5 MB", "2.3 GB": powers of ten.
std::string show_bytes(int64_t bytes);

/// "1 forward", "2080 forwards, 64 backwards".
std::string show_cost(int64_t forwards, int64_t backwards);

}  // namespace vitrail
