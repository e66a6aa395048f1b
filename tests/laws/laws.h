#pragma once

// One suite of laws over every method of the registry: a new method is in it by being registered.
//
// A law that does not apply to a method has a written reason (`exemptions.cpp`). The suite skips with it and prints
// the table of all of them at its end.

#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <map>
#include <string>
#include <vector>

#include "laws/nets.h"

namespace vitrail::laws {

using Settings = std::map<std::string, std::string>;

/// Every name of the registry.
std::vector<std::string> names();
const MethodInfo& info_of(const std::string& name);
bool has_option(const std::string& name, const std::string& option);

/// The method with settings that make it cheap, changed by `extra`; keys that it does not have are left out.
std::string cheap(const std::string& name, const Settings& extra = {});

/// Why the law does not apply to the method; empty where it does. Remembers what was asked, for the table.
std::string exemption(const std::string& law, const std::string& name);

/// Notes a reason that shows only when the method runs ("one pass").
void note_exemption(const std::string& law, const std::string& name, const std::string& reason);

/// Explains targets of the method's own net (see `subject`) on photos.
std::vector<Explanation> explain(const std::string& method, const Model& model, const Tensor& inputs,
                                 const std::vector<int64_t>& indices = {0}, const Execution& execution = {});

/// The convolutional net, or the transformer for methods that refuse the other one: they read attention.
bool reads_attention(const std::string& name);
const Model& subject(const std::string& name);

Execution batch_of(int64_t batch);

/// Largest difference of two maps in units of the first one's range.
double difference(const Tensor& a, const Tensor& b);

/// True where everything that the samples made is the same, bit by bit.
bool same(const Explanation& a, const Explanation& b);

/// Steps that a result took.
inline int64_t steps(const Explanation& result) { return result.forwards + result.backwards; }

/// Equal maps: to rounding, or where the method samples (other numbers on the other side) within its standard errors.
/// `transformed` is the second result's map brought to the first one's frame.
void expect_equal_maps(const Explanation& a, const Explanation& b, const Tensor& transformed,
                       const Tensor& transformed_error, double tolerance);

class Law : public ::testing::TestWithParam<std::string> {
 protected:
  std::string name() const { return GetParam(); }
  const MethodInfo& info() const { return info_of(name()); }
  std::string method(const Settings& extra = {}) const { return cheap(name(), extra); }
  bool is_sampled() const { return has_option(name(), "seed"); }
  std::vector<Explanation> run(const Settings& extra = {}, const Execution& execution = {},
                               const std::vector<int64_t>& indices = {0, 1}) const {
    return explain(method(extra), subject(name()), photo(), indices, execution);
  }
};

#define VITRAIL_LAW(law)                                                    \
  if (const std::string reason = exemption(law, name()); !reason.empty()) { \
    GTEST_SKIP() << reason;                                                 \
  }

inline std::string test_name(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace vitrail::laws
