#include "onnx/inner_values.h"

#include <onnx-ml.pb.h>

#include <fstream>
#include <set>

#include "vitrail/error.h"

namespace vitrail {

ModelWithInnerValues give_out_inner_values(const std::filesystem::path& model, const std::vector<std::string>& values) {
  std::ifstream file(model, std::ios::binary);
  onnx::ModelProto proto;
  if (!file || !proto.ParseFromIstream(&file)) throw ModelError(model.string() + " cannot be read as ONNX.");
  std::set<std::string> computed;
  for (const auto& node : proto.graph().node()) computed.insert(node.output().begin(), node.output().end());
  for (const auto& output : proto.graph().output()) computed.erase(output.name());
  ModelWithInnerValues result;
  for (const std::string& value : values) {
    if (computed.erase(value) == 0) continue;
    proto.mutable_graph()->add_output()->set_name(value);
    result.values.push_back(value);
  }
  for (const auto& output : proto.graph().output())
    if (output.has_type()) result.values.push_back(output.name());
  result.bytes = proto.SerializeAsString();
  return result;
}

}  // namespace vitrail
