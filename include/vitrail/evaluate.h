#pragma once

// Evaluation: which of these methods explains this model best, and how sure is one of that?
//
//   const auto methods = parse_methods("gradcam,sobol,random");
//   const auto metrics = parse_metrics("deletion,insertion,mu_fidelity");
//   std::vector<PhotoEvaluation> photos;
//   for (const auto& path : paths) photos.push_back(evaluate_photo(model, read_image(path), methods, metrics));
//   std::cout << summarise(photos, methods, metrics).table();
//
// Scores are kept photo by photo. A mean has a bootstrap interval over photos; methods are compared by the differences
// on the same photos. `vitrail evaluate` does the same for folders of photos, writes every photo's scores to a file as
// they come, goes on where it was killed, and makes a report (docs/evaluation.md).

#include <vitrail/image.h>
#include <vitrail/metric.h>
#include <vitrail/model.h>
#include <vitrail/report.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrail {

using Metrics = std::vector<std::unique_ptr<Metric>>;

/// What is known of a photo beside its pixels, at the size of the model's input. Undefined where nothing is.
struct PhotoEvidence {
  Tensor truth = {};             ///< bool [H,W]: the region that the target is in
  bool truth_is_target = false;  ///< the truth is where the target itself is: truth_of_target()
  /// [H,W]: where people look; or [K,H,W], of K people each: methods are compared with their mean (mean_human_map), and
  /// people with each other (PhotoEvaluation::ceilings).
  Tensor human_map = {};
};

/// One method on one photo.
struct MethodEvaluation {
  std::string refused = {};  ///< why the method has no map here: then there is nothing else
  int64_t forwards = 0, backwards = 0;
  double seconds = 0;                      ///< of the map
  std::vector<MetricScore> scores = {};    ///< one a metric
  std::vector<double> score_seconds = {};  ///< likewise
  /// Where the method was explained with several seeds: the values of each score, a seed a value. `scores` are their
  /// means, and costs are of all of them together.
  std::vector<std::vector<double>> repeats = {};
};

struct PhotoEvaluation {
  int64_t place = 0;  ///< in the list of all photos, from 0
  std::string path = {}, sha256 = {};
  std::string problem = {};  ///< why the photo has no scores
  Target target = {};
  std::vector<MethodEvaluation> methods = {};  ///< in the order given
  /// By metric (canonical): human_ceiling() of those of human alignment, where maps of several people are known. NaN
  /// where there is none.
  std::map<std::string, double> ceilings = {};
};

/// The probability of a target that is one class of a row of logits; nothing of any other.
std::optional<Target> as_probability(const Target& target);

/// Which scorer a metric is given: one that is fast, or the one that the method works on, where it explains again.
bool explains_again(const MetricInfo& metric);

/// Judges one map with every metric, what it cost included. `map` holds all that is known beside the explanation's map;
/// `fast`: the same target for metrics that only ask for scores.
MethodEvaluation judge(const Explanation& explanation, MetricCase map, const Scorer& fast, const Metrics& metrics,
                       WhereRefused refused = WhereRefused::fail);

/// human_ceiling() of every metric of human alignment, by its canonical string. `maps`: [K,H,W] of K >= 2 people.
std::map<std::string, double> human_ceilings(const Metrics& metrics, const Tensor& maps);

/// The method with another seed, `by` more than its own; null where it draws nothing.
std::unique_ptr<Method> reseeded(const Method& method, uint64_t by);

/// One method with several seeds as one evaluation. A score is the mean of its values, and undefined where one of them
/// is, with that reason; so are its parts; curves are means where all have one of the same places.
MethodEvaluation average_repeats(const std::vector<MethodEvaluation>& repeats);

/// Explains the photo with every method and judges every map with every metric. `target` must stand for one target.
/// Methods and metrics that the model or the evidence does not allow are errors, or left out with the reason. Methods
/// that draw numbers are explained `repeats` times, with the seeds seed, seed + 1 ... Throws CancelledError.
PhotoEvaluation evaluate_photo(const Model& model, const Image& image, const Methods& methods, const Metrics& metrics,
                               const std::string& target = "top1", const PhotoEvidence& evidence = {},
                               const Execution& execution = {}, WhereRefused refused = WhereRefused::fail,
                               int64_t repeats = 1);

/// The scores of one method by one metric, a photo a value, without photos that have a problem; NaN where there is
/// none.
std::vector<double> scores_of(const std::vector<PhotoEvaluation>& photos, size_t method, size_t metric);

struct SummaryOptions {
  double level = 0.95;       ///< of the intervals, and of the verdicts over all pairs of a metric together
  int64_t resamples = 2000;  ///< of the bootstrap
  uint64_t seed = 1;
};

/// A method's mean score.
struct EvaluationRow {
  std::string method, metric;  ///< canonical
  std::string method_name, metric_name;
  Direction direction = Direction::higher;
  double mean = 0, low = 0, high = 0;              ///< NaN where there are too few photos to say
  int64_t n = 0;                                   ///< photos with a score
  int64_t undefined = 0;                           ///< photos without one
  std::map<std::string, int64_t> reasons = {};     ///< why not, and how often
  double forwards = 0, backwards = 0;              ///< a photo, of map and metric together
  double seconds = 0;                              ///< likewise
  double map_seconds = 0;                          ///< of the map alone
  std::vector<double> curve_x = {}, curve_y = {};  ///< mean over photos, of metrics with curves of one length
  /// split_variance() of a score: between photos, and between maps of one photo with other seeds. NaN where the method
  /// draws nothing or was explained once.
  double variance_images = std::numeric_limits<double>::quiet_NaN();
  double variance_sampling = std::numeric_limits<double>::quiet_NaN();
  /// mean / the ceiling between people (EvaluationCeiling); NaN where there is none, or none above 0.
  double ceiling_share = std::numeric_limits<double>::quiet_NaN();

  bool has_split() const;
  static std::string meaning_of_split();
};

/// Two methods on the same photos.
struct EvaluationComparison {
  std::string metric, a, b;                  ///< canonical
  double difference = 0, low = 0, high = 0;  ///< mean of a - b
  double p = 0, adjusted_p = 0;              ///< of the sign-flip test; by Holm over all pairs of the metric
  double effect = 0;                         ///< Cohen's d: mean difference / its standard deviation over photos
  double share = 0;                          ///< of photos on which a is better; ties half
  int64_t n = 0;                             ///< photos with both scores
  std::string better = {};                   ///< a, b, or empty where that is open
};

/// How well people agree with each other by a metric: a mean beside which those of methods are read.
struct EvaluationCeiling {
  std::string metric = {}, metric_name = {};  ///< the former canonical
  std::string label = {};                     ///< the name, and the options that tell it from its namesakes
  double mean = 0, low = 0, high = 0;         ///< NaN where there are too few photos to say
  int64_t n = 0;                              ///< photos with maps of several people

  /// "human_dice:percentile=80 between people: 0.4 (0.36 to 0.44), 15 photos"; and what that says of methods.
  std::string text() const;
  static std::string meaning();
};

struct Evaluation {
  std::vector<EvaluationRow> rows;  ///< methods in the given order, metrics fastest
  std::vector<EvaluationComparison> comparisons;
  std::vector<EvaluationCeiling> ceilings;  ///< of the metrics that have one
  double concordance = 0;    ///< Kendall's W of the metrics about the methods; NaN where there are fewer than two
  double concordance_p = 0;  ///< that metrics with nothing in common agree as much
  int64_t photos = 0, failed = 0;

  /// Text columns, for people.
  std::string table() const;
};

Evaluation summarise(const std::vector<PhotoEvaluation>& photos, const Methods& methods, const Metrics& metrics,
                     const SummaryOptions& options = {});

}  // namespace vitrail
