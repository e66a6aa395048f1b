#pragma once

// Small ONNX files made by hand, for tests.
//
//   OnnxBuilder net;
//   net.input("x", {1, 3, 8, 8}).initializer("w", weight).node("Conv", {"x", "w"}, {"y"}).output("y");
//   auto graph = Graph::load(net.save());

#include <onnx-ml.pb.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "vitrail/tensor.h"

namespace vitrail::testing {

class TemporaryFolders {
 public:
  TemporaryFolders() = default;
  TemporaryFolders(const TemporaryFolders&) = delete;
  ~TemporaryFolders() {
    std::error_code ignored;
    for (const auto& folder : folders_) std::filesystem::remove_all(folder, ignored);
  }

  const std::filesystem::path& add() {
    std::string name = (std::filesystem::temp_directory_path() / "vitrail_test_XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    return folders_.emplace_back(name);
  }

 private:
  std::vector<std::filesystem::path> folders_;
};

class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 20) {
    model_.set_ir_version(10);
    model_.add_opset_import()->set_version(opset);
    model_.mutable_graph()->set_name("test");
  }

  /// A dimension of -1 is the symbol "N".
  OnnxBuilder& input(const std::string& name, const std::vector<int64_t>& shape, int type = onnx::TensorProto::FLOAT) {
    describe(model_.mutable_graph()->add_input(), name, shape, type);
    return *this;
  }
  OnnxBuilder& output(const std::string& name) {
    auto* value = model_.mutable_graph()->add_output();
    value->set_name(name);
    value->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    return *this;
  }
  /// float32, int64, uint8 or bool tensors.
  OnnxBuilder& initializer(const std::string& name, const Tensor& tensor) {
    fill(model_.mutable_graph()->add_initializer(), name, tensor);
    return *this;
  }
  OnnxBuilder& node(const std::string& op_type, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const std::string& domain = "") {
    auto* node = model_.mutable_graph()->add_node();
    node->set_op_type(op_type);
    node->set_domain(domain);
    node->set_name(op_type + "_" + std::to_string(model_.graph().node_size()));
    for (const auto& name : inputs) node->add_input(name);
    for (const auto& name : outputs) node->add_output(name);
    last_ = node;
    return *this;
  }
  // Attributes and metadata of the node just added.
  OnnxBuilder& attribute(const std::string& name, int64_t value) {
    auto* attribute = add_attribute(name, onnx::AttributeProto::INT);
    attribute->set_i(value);
    return *this;
  }
  OnnxBuilder& attribute(const std::string& name, float value) {
    auto* attribute = add_attribute(name, onnx::AttributeProto::FLOAT);
    attribute->set_f(value);
    return *this;
  }
  OnnxBuilder& attribute(const std::string& name, const std::vector<int64_t>& values) {
    auto* attribute = add_attribute(name, onnx::AttributeProto::INTS);
    for (int64_t value : values) attribute->add_ints(value);
    return *this;
  }
  OnnxBuilder& attribute(const std::string& name, const std::string& value) {
    auto* attribute = add_attribute(name, onnx::AttributeProto::STRING);
    attribute->set_s(value);
    return *this;
  }
  OnnxBuilder& scopes(const std::string& python_list) {
    auto* entry = last_->add_metadata_props();
    entry->set_key("pkg.torch.onnx.name_scopes");
    entry->set_value(python_list);
    return *this;
  }
  OnnxBuilder& metadata(const std::string& key, const std::string& value) {
    auto* entry = model_.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
    return *this;
  }

  onnx::ModelProto& proto() { return model_; }
  std::string bytes() const { return model_.SerializeAsString(); }

  /// Writes the file into a fresh temporary folder, which is removed when the tests end.
  std::filesystem::path save(const std::string& name = "model.onnx") const {
    static TemporaryFolders folders;
    const std::filesystem::path path = folders.add() / name;
    std::ofstream(path, std::ios::binary) << bytes();
    return path;
  }

 private:
  static void describe(onnx::ValueInfoProto* value, const std::string& name, const std::vector<int64_t>& shape,
                       int type) {
    value->set_name(name);
    auto* tensor = value->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    for (int64_t size : shape) {
      auto* dim = tensor->mutable_shape()->add_dim();
      if (size < 0)
        dim->set_dim_param("N");
      else
        dim->set_dim_value(size);
    }
  }
  static void fill(onnx::TensorProto* proto, const std::string& name, const Tensor& tensor) {
    proto->set_name(name);
    for (int64_t size : tensor.sizes()) proto->add_dims(size);
    const Tensor values = tensor.contiguous();
    proto->set_data_type(values.scalar_type() == at::kLong   ? onnx::TensorProto::INT64
                         : values.scalar_type() == at::kBool ? onnx::TensorProto::BOOL
                         : values.scalar_type() == at::kByte ? onnx::TensorProto::UINT8
                                                             : onnx::TensorProto::FLOAT);
    proto->set_raw_data(values.data_ptr(), values.nbytes());
  }
  onnx::AttributeProto* add_attribute(const std::string& name, onnx::AttributeProto::AttributeType type) {
    auto* attribute = last_->add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  }

  onnx::ModelProto model_;
  onnx::NodeProto* last_ = nullptr;
};

}  // namespace vitrail::testing
