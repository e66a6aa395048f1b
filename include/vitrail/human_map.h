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

}  // namespace vitrail
