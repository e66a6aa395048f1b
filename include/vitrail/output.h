#pragma once

// What a model gives for a batch, in one form for each kind of task, whatever its file calls and lays out.
//
//   logits         a row of class scores                  scores [N,K]
//   regression     a row of values                        scores [N,K]
//   embedding      a vector                               scores [N,K]
//   segmentation   class scores on a grid over the input  scores [N,K,h,w]
//   boxes          every box before suppression           boxes [N,B,4], scores [N,B,K], objectness [N,B]
//
// Targets (vitrail/target.h) are functions of it. Differentiable in the model's inputs. The page of the output kinds
// and of the record that names them is docs/targets.md.

#include <vitrail/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

enum class OutputKind { logits, regression, embedding, segmentation, boxes };

/// "logits", "boxes", ...: as the record spells it.
std::string to_string(OutputKind kind);

/// Rows [N,K].
inline bool is_row(OutputKind kind) { return kind != OutputKind::segmentation && kind != OutputKind::boxes; }

struct ModelOutput {
  OutputKind kind = OutputKind::logits;
  Tensor scores;      ///< logits or values; of boxes: probability of each class, [N,B,K]
  Tensor boxes;       ///< [N,B,4]: x0, y0, x1, y1 in pixels of the model's input
  Tensor objectness;  ///< [N,B]: probability of anything; undefined where the detector keeps none of its own

  int64_t samples() const { return scores.size(0); }
  int64_t classes() const { return scores.size(kind == OutputKind::boxes ? 2 : 1); }

  /// Of boxes, [N,B]: the objectness, or the probability of the best class where there is none.
  Tensor confidence() const;

  /// The output of one sample, as a batch of one.
  ModelOutput sample(int64_t n) const;
};

/// A box that a detector reports, after suppression.
struct Detection {
  int64_t box = 0;                        ///< its place among the B boxes
  int64_t index = 0;                      ///< the best class
  double confidence = 0;                  ///< objectness x probability of that class, what detectors call the score
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< in pixels of the model's input
};

struct SuppressionOptions {
  double score_threshold = 0.25;    ///< a box below is not reported
  double overlap_threshold = 0.45;  ///< of two boxes of a class that overlap more, the more confident one stays
  int64_t most = 100;               ///< boxes
};

/// The boxes of the first sample, the most confident first, without those that overlap one before them.
std::vector<Detection> suppress(const ModelOutput& output, const SuppressionOptions& options = {});

/// Intersection over union of two boxes [...,4] (x0, y0, x1, y1), broadcast; 0 of empty boxes. Where the edges of the
/// boxes lie within a thousandth of their size, the function has a cusp and its derivative here is the mean of both
/// sides: that of a box with itself is 0, whatever rounding did to it.
Tensor overlap(const Tensor& a, const Tensor& b);

}  // namespace vitrail
