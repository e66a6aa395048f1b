#pragma once

// Scores of images that differ from a known one in a rectangle.
//
// Occlusion, the pick-freeze samples of `sobol` and `morris`, prefixes of coalitions and deletion curves all ask for
// images of which most is known already. A scorer that can offers a LocalScorer: it keeps what the network makes of the
// known image (the base) and computes again only what a change can touch.
//
//   const auto local = scorer.local(rectangles, 8);                  // null: score whole images
//   local->set_bases(image.unsqueeze(0));                            // scores [1,T]
//   local->score({{.rectangle = 3, .pixels = grey}, ...});           // scores [n,T], one a change
//   local->move({{.rectangle = 3, .pixels = grey}});                 // the same, and the base is changed
//
// Scores are those of the whole images to 1e-5. Not to be used from several threads at once.

#include <vitrail/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

/// Rows top .. top + height - 1 and columns left .. left + width - 1 of an image.
struct ImagePatch {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const ImagePatch&) const = default;
};

/// A base with other pixels in a rectangle.
struct LocalChange {
  size_t rectangle = 0;  ///< which of the rectangles that the scorer was made for
  Tensor pixels;         ///< [C,height,width]; undefined: the base as it is
  int64_t base = 0;      ///< which of the bases
};

class LocalScorer {
 public:
  virtual ~LocalScorer() = default;

  /// The images [B,C,H,W] that changes refer to from now on; their scores [B,T]. Keeps what the network makes of them.
  virtual Tensor set_bases(const Tensor& images) = 0;

  /// Scores [n,T], a row a change.
  virtual Tensor score(const std::vector<LocalChange>& changes) = 0;

  /// As score(); afterwards each change, of which no two have one base, is part of its base.
  virtual Tensor move(const std::vector<LocalChange>& changes) = 0;

  /// False where it was found that no rectangle gains anything: whole images are as good then. May time runs; wants
  /// bases to be set.
  virtual bool gains() = 0;

  /// How it was done, so that it can be done again (PlanOptions::incremental): "32x32:8".
  virtual std::string record() const = 0;
};

}  // namespace vitrail
