#pragma once

// Shape or texture: what does an observer call an image whose shape says one category and whose texture another?
//
//   shape bias = shape decisions / (shape decisions + texture decisions)      other answers are in neither
//
// An observer is a network, a person, or several together (vitrail/cue_conflict.h reads what they answered). The
// interval is of the images as a sample, each with all its answers (bootstrap_statistic of vitrail/bootstrap.h).
//
// Whether two observers err on the same images is error consistency, Cohen's kappa of being right (of naming the
// shape):
//
//   kappa = (c_obs - c_exp) / (1 - c_exp),   c_exp = p q + (1 - p)(1 - q)
//
// c_obs is the share of images on which both are right or both wrong, p and q are how often each is right. 0: no more
// than their accuracies explain; 1: the same errors.
//
// Source      Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019; Geirhos, Meding, Wichmann,
//             Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring error consistency,
//             NeurIPS 2020.

#include <vitrail/bootstrap.h>

#include <cstdint>
#include <span>
#include <string>

namespace vitrail {

struct CueConflictDecision {
  std::string image, shape, texture;
  std::string answer = {};  ///< a category; any other word, such as "na": none
};

struct ShapeBias {
  int64_t shape = 0, texture = 0, other = 0;  ///< decisions
  double value = 0, low = 0, high = 0;        ///< NaN where nothing was decided for either, or there is no interval
};

/// Images whose shape and texture are of one category are not counted. Decisions of several observers are pooled.
ShapeBias shape_bias(std::span<const CueConflictDecision> decisions, const BootstrapOptions& options = {});

/// kappa as above; NaN where c_exp is 1, as of two who are always right.
double error_consistency(double agreement, double accuracy_a, double accuracy_b);

/// Over the images that both observers were shown, each once.
double error_consistency(std::span<const CueConflictDecision> a, std::span<const CueConflictDecision> b);

}  // namespace vitrail
