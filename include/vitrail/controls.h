#pragma once

// Controls: maps that know nothing of the network. A metric that cannot tell a method from them says nothing, and a
// method that is no better than them explains nothing.
//
//   random   independent uniform numbers in [0,1), other ones for every photo; of cells with `grid`
//   edges    |grad| of the photo: sqrt(sx^2 + sy^2) of the Sobel filters on the mean channel
//   centre   exp(-((x - cx)^2 + (y - cy)^2) / (2 s^2)) about the middle: photographers put things there
//
// Shapes      map [H,W]; cells [grid,grid] of `random`.
// Unit        none; unsigned.
// Cost        no forwards.
// Guarantees  deterministic: `random` is a function of the seed and of the photo's values.
// Source      random and edge maps as controls: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, Sanity Checks for
//             Saliency Maps, NeurIPS 2018.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/image.h>
#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct RandomMapOptions {
  int64_t grid = 0;  ///< cells along a side, enlarged smoothly to the input; 0: every pixel its own number
  uint64_t seed = 1;
};

struct EdgesOptions {};

struct CentreOptions {
  double sigma = 0.25;  ///< of the blob, as a share of the shorter side
};

/// For every input [N,C,H,W] and target: N x T results, targets fastest.
std::vector<Explanation> random_map(const Scorer& scorer, const Tensor& inputs, const RandomMapOptions& options = {},
                                    const Execution& execution = {});
std::vector<Explanation> edges(const Scorer& scorer, const Tensor& inputs, const EdgesOptions& options = {},
                               const Execution& execution = {});
std::vector<Explanation> centre(const Scorer& scorer, const Tensor& inputs, const CentreOptions& options = {},
                                const Execution& execution = {});

/// One photo. One result a resolved target ("top3" gives three).
std::vector<Explanation> random_map(const Model& model, const Image& image, const std::string& target = "top1",
                                    const RandomMapOptions& options = {});
std::vector<Explanation> edges(const Model& model, const Image& image, const std::string& target = "top1",
                               const EdgesOptions& options = {});
std::vector<Explanation> centre(const Model& model, const Image& image, const std::string& target = "top1",
                                const CentreOptions& options = {});

}  // namespace vitrail
