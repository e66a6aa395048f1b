#pragma once

// Where people look, or what they call important: a map that a person's or many persons' data gave, for comparison
// with the maps of methods.

#include <vitrail/preprocess.h>
#include <vitrail/tensor.h>

#include <filesystem>

namespace vitrail {

/// float32 [H,W] at the size of the model's input: a .npy array [h,w] or a picture (its mean channel) that covers the
/// whole photo, larger where it matters more, read between its values as the model sees the photo. InputError for
/// another form.
Tensor read_human_map(const std::filesystem::path& file, const PreparedImage& photo);

/// float32 [K,H,W]: every map of a folder, by the order of their names; one a person, or a way to ask people. A map
/// that is a mixture of others does not belong into it: the others would agree with it by construction. InputError for
/// a folder without any.
Tensor read_human_maps(const std::filesystem::path& folder, const PreparedImage& photo);

}  // namespace vitrail
