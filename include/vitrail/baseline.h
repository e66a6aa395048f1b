#pragma once

// What replaces hidden input.
//
//   zero          0 in the model's input space: the mean colour of a mean/std-normalised net (default)
//   black, white  pixel value 0, 255
//   127.5         a pixel value, every channel
//   mean          the mean colour of the image itself
//   blur[:S]      the image under a Gaussian blur of S pixels (a 22nd of the shorter side where S is not said)
//   noise[:SEED]  independent normal numbers with the mean and the standard deviation of the image's channels
//   uniform[:SEED]  independent pixel values, uniform on 0 .. 255
//   dataset:DIR   the mean of the photos of a folder
//   samples:DIR   a photo of the folder, another for every mask (the k-th mask takes photo k modulo their number)
//   inpaint       harmonic: every hidden pixel is the mean of its four neighbours, so the shown ones spread smoothly
//   linear        noisy linear imputation (ROAD): the weighted mean of its eight neighbours (1/6 beside, 1/12 across)
//   plus
//                 noise of a hundredth of the image's range
//
// `inpaint` and `linear` depend on what is hidden: they solve a sparse linear system a mask (of half-shown pixels,
// those hidden by more than one half are imputed). Methods that hide nothing (integrated gradients) refuse them. Paper
// of `linear`: Rong, Leemann, Borisov, Kasneci, Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution
// Methods, ICML 2022.

#include <vitrail/scorer.h>
#include <vitrail/tensor.h>

#include <string>

namespace vitrail {

class Baseline {
 public:
  Baseline() = default;
  /// Throws UsageError for an unknown name, listing the known ones, and for a folder that does not exist.
  explicit Baseline(const std::string& name);

  const std::string& name() const { return name_; }
  bool depends_on_mask() const { return kind_ == "inpaint" || kind_ == "linear"; }
  bool depends_on_sample() const { return kind_ == "samples"; }

  /// The values that replace `input` [C,H,W], broadcastable to it, in input space. UsageError for one that depends on
  /// the mask; of `samples` the first photo.
  Tensor resolve(const Tensor& input, const Scorer& scorer) const;

  /// The photos of `samples` and `dataset`, [K,C,H,W] in the order of their names. InputError where the folder has
  /// none.
  Tensor photos(const Tensor& input, const Scorer& scorer) const;

 private:
  std::string name_ = "zero", kind_ = "zero", argument_ = {};
};

}  // namespace vitrail
