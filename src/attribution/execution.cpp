#include <vitrail/error.h>
#include <vitrail/execution.h>

#include "attribution/options.h"

namespace vitrail {

Budget Budget::parse(const std::string& text) {
  const auto split = text.find_first_not_of("0123456789.");
  const std::string number = text.substr(0, split), unit = split == std::string::npos ? "" : text.substr(split);
  Budget budget;
  try {
    if (unit == "forwards") {
      read_value(number, budget.forwards.emplace());
      if (*budget.forwards > 0) return budget;
    } else if (unit == "s") {
      read_value(number, budget.seconds.emplace());
      if (*budget.seconds > 0) return budget;
    }
  } catch (const std::invalid_argument&) {  // not a number: the sentence below says what is
  }
  throw UsageError("Budget \"" + text + "\" is not understood. Write a number of forwards (\"2000forwards\") or of " +
                   "seconds (\"30s\"), more than 0.");
}

}  // namespace vitrail
