#pragma once

// Preprocessing: how a photo becomes the tensor that a model was trained on.
//
//   x = (pixel * scale - mean) / std      pixel 0..255, channels in the order of `colour`
//
// The record is the same in a sidecar JSON, in ONNX metadata (`vitrail.preprocess`) and in
// results. Getting it wrong is the commonest error of all: a CIFAR net falls from 81 % to 20 %.

#include <vitrail/image.h>
#include <vitrail/tensor.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

enum class Colour { rgb, bgr, grey };
enum class Layout { nchw, nhwc, flat };  ///< flat: everything after the batch in one row, in C,H,W order
enum class ResizeRule {
  short_side,  ///< the shorter side becomes `resize_to`, aspect kept, then centre crop
  whole,       ///< squeezed to `height` x `width`
  none,        ///< an image of another size is an error
};

/// A rectangle of the photo, in its own pixels; x1 and y1 are exclusive ends and may be fractional.
struct Rectangle {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

struct Preprocess {
  Colour colour = Colour::rgb;
  Layout layout = Layout::nchw;
  int64_t height = 224, width = 224;  ///< of the model's input
  ResizeRule resize = ResizeRule::short_side;
  int64_t resize_to = 256;  ///< for short_side
  ResizeFilter filter = ResizeFilter::bilinear;
  bool antialias = true;
  bool keep_exact = false;  ///< an image that already has the model's size is used as it is
  bool centre_crop = true;
  double scale = 1.0 / 255;
  std::vector<double> mean = {0.485, 0.456, 0.406};  ///< one a channel
  std::vector<double> std = {0.229, 0.224, 0.225};

  int64_t channels() const { return colour == Colour::grey ? 1 : 3; }

  /// A named record (`imagenet`, `half`, `unit`, `raw`) at a model's own size and channels.
  static Preprocess preset(const std::string& name, int64_t height, int64_t width, int64_t channels, Layout layout);

  /// Parses the record (the object under "preprocess"); throws UsageError naming the key that is wrong.
  static Preprocess from_json(const std::string& text, const std::string& where);
  std::string to_json() const;
};

/// A photo as the model sees it.
struct PreparedImage {
  Tensor input;                   ///< float32 [1,C,H,W]: always this layout; Model turns it into the model's own
  Rectangle placed;               ///< the part of the photo that the model saw
  int64_t width = 0, height = 0;  ///< of the photo
};

/// Resizes, crops and normalises. Throws InputError where the rule is `none` and the size differs.
PreparedImage prepare(const Image& image, const Preprocess& preprocess);

/// A colour of the given pixel value (0..255, every channel) in the model's input space, [C,1,1].
Tensor pixel_in_input_space(double value, const Preprocess& preprocess);

}  // namespace vitrail
