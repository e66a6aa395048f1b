#pragma once

#include <onnx-ml.pb.h>

#include <string>

namespace vitrail {

/// The module a node came from, "layer1.0.conv1": from the metadata of the newer PyTorch exporter
/// (`pkg.torch.onnx.name_scopes`), else from a node name that is a path, "/layer1/layer1.0/conv1/Conv", as the older
/// one writes it; empty where neither is there.
std::string scope_of(const onnx::NodeProto& node);

}  // namespace vitrail
