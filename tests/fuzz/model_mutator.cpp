#include "fuzz/model_mutator.h"

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/stubs/logging.h>

#include <memory>

#include "ops/registry.h"
#include "support/damaged_onnx.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace vitrail::testing {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// Models as messages that know their fields. The schema asks for generated classes that do not.
class Schema {
 public:
  static const Schema& onnx() {
    static const Schema schema;
    return schema;
  }

  /// Nothing where the bytes are no model.
  std::unique_ptr<Message> parse(std::span<const uint8_t> bytes) const {
    std::unique_ptr<Message> model(prototype_->New());
    if (bytes.empty() || !model->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
    return model;
  }

 private:
  struct Errors : google::protobuf::compiler::MultiFileErrorCollector {
    void AddError(const std::string& file, int line, int, const std::string& message) override {
      throw std::runtime_error(file + ":" + std::to_string(line + 1) + ": " + message);
    }
  };

  Schema() : importer_(&sources_, &errors_) {
    google::protobuf::SetLogHandler(nullptr);  // speaks of every name that is not UTF-8
    sources_.MapPath("", VITRAIL_ONNX_SCHEMA);
    prototype_ = factory_.GetPrototype(importer_.Import("onnx-ml.proto")->FindMessageTypeByName("ModelProto"));
  }

  google::protobuf::compiler::DiskSourceTree sources_;
  Errors errors_;
  google::protobuf::compiler::Importer importer_;
  google::protobuf::DynamicMessageFactory factory_;
  const Message* prototype_;
};

bool is_a(const Message& message, const char* type) { return message.GetDescriptor()->name() == type; }

/// One value of a message: a field that is set, or one element of a repeated field.
struct Place {
  Message* message;
  const FieldDescriptor* field;
  int index;  ///< -1 where the field is not repeated

  bool is_message() const { return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE; }
};

class Mutator {
 public:
  Mutator(Message& model, Message& donor, unsigned seed) : model_(model), donor_(donor), random_(seed) {}

  /// Between one and four changes.
  void change() {
    for (size_t count = 1 + below(4, random_); count > 0; --count) change_once();
    if (below(8, random_) > 0) fit_data(model_);
  }

  /// Between one and four parts of the donor.
  void cross() {
    for (size_t count = 1 + below(4, random_); count > 0; --count)
      if (const auto place = any_place(model_)) take_from_donor(*place);
    if (below(8, random_) > 0) fit_data(model_);
  }

 private:
  template <typename T>
  const T& one_of(const std::vector<T>& values) {
    return values[below(values.size(), random_)];
  }

  void collect(Message& message, std::vector<Place>& places) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        places.push_back({&message, field, field->is_repeated() ? i : -1});
        if (places.back().is_message()) collect(message_at(places.back()), places);
      }
    }
  }

  static Message& message_at(const Place& place) {
    const Reflection& reflection = *place.message->GetReflection();
    return place.index < 0 ? *reflection.MutableMessage(place.message, place.field)
                           : *reflection.MutableRepeatedMessage(place.message, place.field, place.index);
  }

  std::vector<Place> places_of(Message& root) {
    std::vector<Place> places;
    collect(root, places);
    return places;
  }

  std::optional<Place> any_place(Message& root) {
    const std::vector<Place> places = places_of(root);
    if (places.empty()) return {};
    return one_of(places);
  }

  void change_once() {
    const auto place = any_place(model_);
    if (!place) return;
    const Reflection& reflection = *place->message->GetReflection();
    switch (below(16, random_)) {
      case 0:
        remove(*place);
        break;
      case 1:
        if (place->index >= 0) repeat(*place);
        break;
      case 2:
        if (place->index >= 0)
          reflection.SwapElements(
              place->message, place->field, place->index,
              static_cast<int>(below(reflection.FieldSize(*place->message, place->field), random_)));
        break;
      case 3:
        add_field(place->is_message() ? message_at(*place) : *place->message);
        break;
      case 4:
      case 5:
        take_from_donor(*place);
        break;
      default:
        if (!place->is_message()) set_value(*place->message, place->field, place->index);
    }
  }

  static void remove(const Place& place) {
    const Reflection& reflection = *place.message->GetReflection();
    if (place.index < 0) return reflection.ClearField(place.message, place.field);
    reflection.SwapElements(place.message, place.field, place.index,
                            reflection.FieldSize(*place.message, place.field) - 1);
    reflection.RemoveLast(place.message, place.field);
  }

  /// Messages are repeated with what they hold; of a node's outputs twice the same are refused at once, so that these
  /// often get new names.
  void repeat(const Place& place) {
    if (!place.is_message()) return append(*place.message, place.field);
    const Reflection& reflection = *place.message->GetReflection();
    Message* copy = reflection.AddMessage(place.message, place.field);
    copy->CopyFrom(message_at(place));
    if (!is_a(*copy, "NodeProto") || below(4, random_) == 0) return;
    const Reflection& inner = *copy->GetReflection();
    const FieldDescriptor* outputs = copy->GetDescriptor()->FindFieldByName("output");
    for (int i = 0; i < inner.FieldSize(*copy, outputs); ++i)
      inner.SetRepeatedString(copy, outputs, i,
                              inner.GetRepeatedString(*copy, outputs, i) + std::to_string(below(100, random_)));
  }

  void append(Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        reflection.AddMessage(&message, field);
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.AddInt32(&message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.AddInt64(&message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.AddUInt64(&message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        reflection.AddFloat(&message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.AddDouble(&message, field, 0);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.AddString(&message, field, "");
        break;
      default:  // the schema repeats nothing else
        return;
    }
    set_value(message, field, reflection.FieldSize(message, field) - 1);
  }

  /// Any field of the message's type, set or not; repeated ones grow.
  void add_field(Message& message) {
    const auto& descriptor = *message.GetDescriptor();
    if (descriptor.field_count() == 0) return;
    const FieldDescriptor* field = descriptor.field(static_cast<int>(below(descriptor.field_count(), random_)));
    if (field->is_repeated()) return append(message, field);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      message.GetReflection()->MutableMessage(&message, field);
    else
      set_value(message, field, -1);
  }

  /// The place becomes a copy of one that holds the same kind of value: a text of a text, a node of a node.
  void take_from_donor(const Place& to) {
    std::vector<Place> same;
    for (const Place& from : places_of(donor_)) {
      const bool fits = to.is_message() ? from.is_message() && from.field->message_type() == to.field->message_type()
                                        : from.field->type() == to.field->type();  // tells texts from bytes
      if (fits) same.push_back(from);
    }
    if (same.empty()) return;
    const Place& from = one_of(same);
    if (to.is_message()) return message_at(to).CopyFrom(message_at(from));
    const Reflection& reader = *from.message->GetReflection();
    const Reflection& writer = *to.message->GetReflection();
    const auto copy = [&](auto get, auto get_repeated, auto set, auto set_repeated) {
      const auto value = from.index < 0 ? (reader.*get)(*from.message, from.field)
                                        : (reader.*get_repeated)(*from.message, from.field, from.index);
      if (to.index < 0)
        (writer.*set)(to.message, to.field, value);
      else
        (writer.*set_repeated)(to.message, to.field, to.index, value);
    };
    if (to.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      copy(&Reflection::GetString, &Reflection::GetRepeatedString, &Reflection::SetString,
           &Reflection::SetRepeatedString);
    else if (to.field->cpp_type() == FieldDescriptor::CPPTYPE_INT64)
      copy(&Reflection::GetInt64, &Reflection::GetRepeatedInt64, &Reflection::SetInt64, &Reflection::SetRepeatedInt64);
    else
      set_value(*to.message, to.field, to.index);
  }

  void set_value(Message& message, const FieldDescriptor* field, int index) {
    const Reflection& reflection = *message.GetReflection();
    const auto set = [&](auto set_single, auto set_repeated, auto value) {
      if (index < 0)
        (reflection.*set_single)(&message, field, value);
      else
        (reflection.*set_repeated)(&message, field, index, value);
    };
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return set(&Reflection::SetInt32, &Reflection::SetRepeatedInt32, static_cast<int32_t>(integer()));
      case FieldDescriptor::CPPTYPE_INT64:
        return set(&Reflection::SetInt64, &Reflection::SetRepeatedInt64, integer());
      case FieldDescriptor::CPPTYPE_UINT64:
        return set(&Reflection::SetUInt64, &Reflection::SetRepeatedUInt64, static_cast<uint64_t>(integer()));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return set(&Reflection::SetFloat, &Reflection::SetRepeatedFloat, static_cast<float>(number()));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return set(&Reflection::SetDouble, &Reflection::SetRepeatedDouble, number());
      case FieldDescriptor::CPPTYPE_ENUM:
        return set(
            &Reflection::SetEnumValue, &Reflection::SetRepeatedEnumValue,
            field->enum_type()->value(static_cast<int>(below(field->enum_type()->value_count(), random_)))->number());
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string now =
            index >= 0 ? reflection.GetRepeatedString(message, field, index) : reflection.GetString(message, field);
        return set(&Reflection::SetString, &Reflection::SetRepeatedString, text(field->name(), now));
      }
      default:
        return;
    }
  }

  int64_t integer() {
    static const std::vector<int64_t> kEdges = {INT32_MAX, INT32_MIN,        INT64_MAX,       INT64_MIN,
                                                1 << 20,   int64_t{1} << 31, int64_t{1} << 40};
    if (below(4, random_) == 0) return one_of(kEdges);
    return static_cast<int64_t>(below(below(4, random_) == 0 ? 300 : 12, random_)) - 3;
  }

  double number() {
    static const std::vector<double> kEdges = {0, -0.0, 1, -1, 0.5, 2, 1e-30, 1e30, -1e30, INFINITY, -INFINITY, NAN};
    return one_of(kEdges);
  }

  std::string text(const std::string& field, std::string now) {
    static const std::vector<std::string> kOperators = [] {
      auto names = OperatorRegistry::all().names();
      names.insert(names.end(), {"If", "Loop", "Constant", "Upsample", "Scan", "Unknown"});
      return names;
    }();
    static const std::vector<std::string> kWords = {
        "",     "axis",  "axes",     "perm",    "to",       "pads",        "strides",   "dilations", "kernel_shape",
        "mode", "group", "keepdims", "value",   "auto_pad", "SAME_UPPER",  "linear",    "cubic",     "align_corners",
        "body", "x",     "reflect",  "nearest", "equation", "then_branch", "ij,jk->ik", "...i->i",   "ai.onnx.ml"};
    if (field == "op_type" && below(8, random_) > 0) return one_of(kOperators);
    // The data of a tensor keeps its size: another one would only be refused.
    if (field != "raw_data" && below(2, random_) == 0) return one_of(kWords);
    const size_t size = now.size(), most = field == "raw_data" ? size : size + 16;
    if (most == 0) return now;
    now.resize(most);
    now.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(now.data()), size, most));
    if (field == "raw_data") now.resize(size);
    return now;
  }

  /// Tensors whose dimensions or type have changed get as much data as these say, where that is little.
  static void fit_data(Message& message) {
    constexpr int64_t kMost = 4096;
    const Reflection& reflection = *message.GetReflection();
    if (onnx::TensorProto tensor; is_a(message, "TensorProto") &&
                                  tensor.ParsePartialFromString(message.SerializePartialAsString()) &&
                                  tensor.has_raw_data()) {
      int64_t bytes = element_size(tensor.data_type());
      for (int64_t dim : tensor.dims()) bytes = dim < 0 || dim > kMost || bytes > kMost ? kMost + 1 : bytes * dim;
      if (bytes > kMost) return;
      tensor.mutable_raw_data()->resize(bytes, '\1');
      reflection.SetString(&message, message.GetDescriptor()->FindFieldByName("raw_data"), tensor.raw_data());
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated())
        fit_data(*reflection.MutableMessage(&message, field));
      else
        for (int i = 0; i < reflection.FieldSize(message, field); ++i)
          fit_data(*reflection.MutableRepeatedMessage(&message, field, i));
    }
  }

  static int64_t element_size(int type) {
    switch (type) {
      case onnx::TensorProto::DOUBLE:
      case onnx::TensorProto::INT64:
      case onnx::TensorProto::UINT64:
        return 8;
      case onnx::TensorProto::FLOAT:
      case onnx::TensorProto::INT32:
      case onnx::TensorProto::UINT32:
        return 4;
      case onnx::TensorProto::FLOAT16:
      case onnx::TensorProto::BFLOAT16:
      case onnx::TensorProto::INT16:
      case onnx::TensorProto::UINT16:
        return 2;
      default:
        return 1;
    }
  }

  Message& model_;
  Message& donor_;
  Random random_;
};

/// 0 where it does not fit.
size_t write(const Message& model, std::span<uint8_t> out) {
  const size_t size = model.ByteSizeLong();
  if (size > out.size()) return 0;
  return model.SerializePartialToArray(out.data(), static_cast<int>(size)) ? size : 0;
}

}  // namespace

size_t mutate_model(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Random random(seed);
  std::unique_ptr<Message> model = Schema::onnx().parse({data, size});
  if (!model && below(2, random) > 0) {
    const std::string valid = below(2, random) > 0 ? convolutional_model().bytes() : token_model().bytes();
    model = Schema::onnx().parse({reinterpret_cast<const uint8_t*>(valid.data()), valid.size()});
  }
  if (!model || below(64, random) == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::unique_ptr<Message> before(model->New());
  before->CopyFrom(*model);
  Mutator(*model, *before, seed).change();
  const size_t changed = write(*model, {data, max_size});
  return changed > 0 ? changed : size;
}

size_t cross_models(std::span<const uint8_t> model, std::span<const uint8_t> other, std::span<uint8_t> out,
                    unsigned seed) {
  const std::unique_ptr<Message> changed = Schema::onnx().parse(model), donor = Schema::onnx().parse(other);
  if (!changed || !donor) return 0;
  Mutator(*changed, *donor, seed).cross();
  return write(*changed, out);
}

}  // namespace vitrail::testing
