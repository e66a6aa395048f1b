#pragma once

// Coalitions: which regions of an image show, the others being hidden. Scoring them, and drawing them.

#include <vitrail/perturbation.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "attribution/perturbation/perturber.h"
#include "attribution/run.h"

namespace vitrail {

/// A way from no region that shows: one region after the other is changed (hidden ones shown, shown ones hidden).
struct CoalitionPath {
  std::vector<int64_t> regions;
  int64_t point;  ///< the number of all its coalitions (Fill::values)
};

/// Scores coalitions of one input's regions; each once, where it is likely to be asked for again: all coalitions of up
/// to 16 regions, of more regions those of none, one, all, and all but one. Not where what is hidden becomes something
/// else every time (`samples`, `linear`): there every coalition is scored under its number.
class CoalitionScorer {
 public:
  CoalitionScorer(MethodRun& run, const Perturber& perturber);

  int64_t regions() const { return perturber_.cells(); }

  /// Scores float64 [n,T] of `shown` (float64 of 0 and 1, [n,d]) with the numbers `points` [n] (Fill::values), a batch
  /// at a time; of fewer, the first ones, where the run stops.
  Tensor score(const Tensor& shown, std::span<const int64_t> points);

  /// Scores [1 + steps,T] along each of several paths of one length; where the run stops, of the first paths only.
  /// Where the scorer gains by it, the paths are images that change side by side, a batch of them, and only what a
  /// change can touch is computed: equal to whole images within rounding, and paths that a stop breaks off are lost,
  /// with their forwards.
  std::vector<Tensor> score_paths(std::span<const CoalitionPath> paths);

  /// Scores [K,T] of the coalition of all regions (value 1) or none (0), under the K numbers that differ; their mean is
  /// the score of the image, and of its baseline. Fewer where the run stops.
  Tensor score_uniform(double value);

  /// bool [T]: the scores so far differ by no more than rounding.
  Tensor is_constant() const;

 private:
  bool is_kept(const std::string& key) const;
  Tensor score_chunk(const Tensor& shown, std::span<const int64_t> points);
  Tensor score_path(const CoalitionPath& path);
  bool moves_images();
  Tensor move_along(std::span<const CoalitionPath> paths);
  void note_range(const Tensor& scores);

  MethodRun& run_;
  const Perturber& perturber_;
  std::unordered_map<std::string, Tensor> kept_;  ///< a byte a region -> [T]
  Tensor smallest_, largest_;                     ///< [T], of the finite scores so far
  std::optional<bool> moves_images_;              ///< known from the first path on
  std::vector<ImagePatch> rectangles_;            ///< of the regions, where images move
};

/// Coalition number `index` of 2 regions or more, with 1 to all but one of them, as float64 [d]; `weight` is the factor
/// by which its row counts. Of each size all coalitions are alike probable.
Tensor draw_coalition(CoalitionSizes sizes, int64_t regions, uint64_t seed, uint64_t index, double& weight);

/// 0 .. count - 1 in an order drawn from (seed, index).
std::vector<int64_t> draw_order(int64_t count, uint64_t seed, uint64_t index);

/// A run of units, each of one coalition or of several that belong together (a pair, say).
struct CoalitionUnits {
  int64_t count = 0;                         ///< at most
  std::function<Tensor(int64_t unit)> draw;  ///< its coalitions, float64 [k,d]: k is the same for all
  /// Numbers of its coalitions (Fill::values), k; nothing: they have the unit's.
  std::function<std::vector<int64_t>(int64_t unit)> numbers = {};
  /// Of consecutive units, whose coalitions are `shown` [n*k,d], the scores [n*k,T].
  std::function<void(int64_t first_unit, const Tensor& shown, const Tensor& scores)> add;
  /// Asked when `first_look` units are done and each time that a quarter more are, whatever the batch: enough? Nothing
  /// where all units are wanted in any case: batches are not cut for a look then.
  std::function<bool(int64_t units)> settled = {};
  int64_t first_look = 40;
};

/// Scores units until all are done, or it is settled, or the run stops; returns how many are complete.
int64_t score_units(MethodRun& run, CoalitionScorer& scorer, const CoalitionUnits& units);

/// "Stopped after 12 of 256 pairs of coalitions: the map is made of these."; does nothing where the run did not stop.
void warn_of_stop(MethodRun& run, int64_t done, int64_t wanted, const std::string& what);

}  // namespace vitrail
