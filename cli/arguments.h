#pragma once

// Arguments that several commands share: how a model is loaded, which photos are meant.

#include <vitrail/image.h>
#include <vitrail/model.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::cli {

struct ModelArguments {
  std::string path, preprocess, input_size, output, device = "cpu";
  std::string memory;
  int threads = 0;  ///< 0: as many as the machine has

  void add_to(CLI::App& app);
  /// Without the model itself.
  void add_options_to(CLI::App& app);

  /// What can be known before anything is read: the forms are right, the file is there.
  ModelOptions check() const;

  /// Of --memory, in bytes; 0 where it was not given.
  int64_t memory_limit() const;

  /// Sets the number of threads and the limit of memory. Throws OutOfMemoryError where the file cannot fit.
  void set_limits() const;

  /// Sets the limits and loads.
  Model load() const;
};

/// A photo that was asked for; `problem` says why it cannot be used where that is known beforehand.
struct Photo {
  std::filesystem::path path;
  std::string problem;
};

struct ImageArguments {
  std::vector<std::string> paths;  ///< files and folders
  bool exif = false;

  void add_to(CLI::App& app);

  /// Every photo meant, in the order of the arguments; a path that does not exist and a folder without photos
  /// are entries with a problem, named on standard error. Throws InputError where nothing is left.
  std::vector<Photo> find() const;

  Image read(const std::filesystem::path& path) const;
};

}  // namespace vitrail::cli
