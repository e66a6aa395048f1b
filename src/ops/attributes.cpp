#include "ops/attributes.h"

#include "vitrail/error.h"

namespace vitrail {
namespace {

template <typename T>
const T* find(const std::map<std::string, AttributeValue>& values, const std::string& name, const char* expected) {
  auto it = values.find(name);
  if (it == values.end()) return nullptr;
  if (const T* value = std::get_if<T>(&it->second)) return value;
  throw ModelError("the attribute '" + name + "' has the wrong type; expected " + expected + ".");
}

template <typename T>
T require(const std::map<std::string, AttributeValue>& values, const std::string& name, const char* expected) {
  if (const T* value = find<T>(values, name, expected)) return *value;
  throw ModelError("the attribute '" + name + "' (" + expected + ") is missing.");
}

}  // namespace

int64_t Attributes::get_int(const std::string& name, int64_t otherwise) const {
  const int64_t* value = find<int64_t>(values_, name, "an integer");
  return value ? *value : otherwise;
}

double Attributes::get_float(const std::string& name, double otherwise) const {
  const double* value = find<double>(values_, name, "a number");
  return value ? *value : otherwise;
}

std::string Attributes::get_string(const std::string& name, const std::string& otherwise) const {
  const std::string* value = find<std::string>(values_, name, "a text");
  return value ? *value : otherwise;
}

Ints Attributes::get_ints(const std::string& name, const Ints& otherwise) const {
  const Ints* value = find<Ints>(values_, name, "a list of integers");
  return value ? *value : otherwise;
}

Floats Attributes::get_floats(const std::string& name, const Floats& otherwise) const {
  const Floats* value = find<Floats>(values_, name, "a list of numbers");
  return value ? *value : otherwise;
}

std::optional<int64_t> Attributes::find_int(const std::string& name) const {
  return has(name) ? std::optional(get_int(name, 0)) : std::nullopt;
}

std::optional<Tensor> Attributes::get_tensor(const std::string& name) const {
  const Tensor* value = find<Tensor>(values_, name, "a tensor");
  return value ? std::optional<Tensor>(*value) : std::nullopt;
}

int64_t Attributes::require_int(const std::string& name) const { return require<int64_t>(values_, name, "an integer"); }

Ints Attributes::require_ints(const std::string& name) const {
  return require<Ints>(values_, name, "a list of integers");
}

std::string Attributes::require_string(const std::string& name) const {
  return require<std::string>(values_, name, "a text");
}

void change_bodies(NodeSpec& node, const std::function<void(GraphBody&)>& change) {
  const Attributes before = node.attributes;
  for (const auto& [name, value] : before.all()) {
    const auto* subgraph = std::get_if<Subgraph>(&value);
    if (!subgraph || !subgraph->body) continue;
    auto body = std::make_shared<GraphBody>(*subgraph->body);
    change(*body);
    node.attributes.set(name, Subgraph{subgraph->name, std::move(body)});
  }
}

}  // namespace vitrail
