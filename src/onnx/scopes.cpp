#include "onnx/scopes.h"

#include <vector>

namespace vitrail {
namespace {

/// The words of a Python list written as text: ['', 'layer1', 'layer1.0'].
std::vector<std::string> python_words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\'' && text[i] != '"') continue;
    const size_t end = text.find(text[i], i + 1);
    if (end == std::string::npos) break;
    words.push_back(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return words;
}

/// From the outermost scope to the innermost; the last word names the node itself.
std::string scope_from_metadata(const std::string& text) {
  std::vector<std::string> words = python_words(text);
  if (!words.empty()) words.pop_back();
  return words.empty() ? std::string() : words.back();
}

/// A part that repeats the one before it ("layer1", "layer1.0") stands for both.
std::string scope_from_path(const std::string& name) {
  if (name.empty() || name[0] != '/') return {};
  std::vector<std::string> segments;
  size_t begin = 1;
  for (size_t end = name.find('/', begin); end != std::string::npos; end = name.find('/', begin)) {
    const std::string part = name.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) continue;
    if (!segments.empty() && part.starts_with(segments.back() + "."))
      segments.back() = part;
    else
      segments.push_back(part);
  }
  std::string scope;
  for (const std::string& segment : segments) scope += (scope.empty() ? "" : ".") + segment;
  return scope;
}

}  // namespace

std::string scope_of(const onnx::NodeProto& node) {
  for (const auto& entry : node.metadata_props())
    if (entry.key() == "pkg.torch.onnx.name_scopes") return scope_from_metadata(entry.value());
  return scope_from_path(node.name());
}

}  // namespace vitrail
