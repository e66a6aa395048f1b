#pragma once

// Two maps side by side: do they order the image alike, do they agree on its most important part, and which of their
// differences are more than the noise of sampling.
//
//   rank correlation   Spearman's, over cells; ties take the mean of their ranks
//   top overlap        of the k cells with the largest values, the share that both have (k/m of them by chance)
//   difference         a - b, with an interval where both maps have a standard error, or one has and the other is
//   exact:
//                      a - b +- t sqrt(se_a^2 + se_b^2), t Student's quantile, degrees of freedom by Welch and
//                      Satterthwaite from the replicates or samples that the methods took
//
// Cells are the methods' own where both have a grid of the same size; otherwise they are the pixels of the map.
// Standard errors are read where the middle of a cell lies. There are many cells, so intervals answer for all of them:
//
//   fdr          (default) Benjamini and Hochberg: of the cells called different at most `level` are so by accident, on
//                average; intervals at level R level / m for R cells called different (Benjamini, Yekutieli 2005), so
//                that a cell is called different exactly where its interval leaves out 0
//   bonferroni   with probability 1 - level no cell is called different by accident: intervals at level / m
//
// Errors of the two maps count as independent. Maps of one seed share their random numbers, which makes true
// differences easier to see than the intervals say. Maps of different units have no difference, maps of different sizes
// are brought to the size of the first.

#include <vitrail/explanation.h>
#include <vitrail/saved_result.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail {

enum class Correction { fdr, bonferroni };

struct CompareOptions {
  double level = 0.05;  ///< of the error that `correction` speaks of
  Correction correction = Correction::fdr;
  double top = 0.1;     ///< share of the cells that counts as the top
  bool across = false;  ///< compare_results: every method of one with every method of the other
};

struct MapComparison {
  int64_t cells = 0;              ///< compared: finite in both maps
  double rank_correlation = 0;    ///< NaN where a map is constant
  double linear_correlation = 0;  ///< Pearson's; NaN likewise
  int64_t top = 0;                ///< cells of the top
  double top_overlap = 0;         ///< share of them that both have
  Tensor difference;              ///< float32 [h,w], a - b; undefined where the units differ
  Tensor half_width;              ///< float32 [h,w] of the intervals; undefined where no error is known
  Tensor significant;             ///< bool [h,w]: the interval leaves out 0; undefined likewise
  int64_t differing = 0;          ///< cells called different
  std::vector<std::string> notes;

  /// In absolute value; NaN where there is no difference to speak of.
  double largest_difference() const;
};

/// UsageErrors for maps that are not [H,W] and options out of range.
MapComparison compare_maps(const Explanation& a, const Explanation& b, const CompareOptions& options = {});

/// Two explanations that ask the same question, by their place in the results.
struct ComparedPair {
  size_t a = 0, b = 0;
  MapComparison maps;
};

struct ResultComparison {
  std::vector<ComparedPair> pairs;
  std::vector<size_t> only_a, only_b;  ///< explanations without a partner
  std::vector<std::string> notes;      ///< what else differs: the photo, the model, the part that was seen
};

/// Pairs explanations of the same target (the same class, else the same words) by the whole method string, then by the
/// method's name. Throws InputError where nothing can be paired, saying what each result has.
ResultComparison compare_results(const SavedResult& a, const SavedResult& b, const CompareOptions& options = {});

/// Names of the files of a pair, inside a folder; those that are empty are not written.
struct ComparisonFiles {
  std::string difference, half_width;  ///< .npy, [h,w]
  std::string picture;                 ///< .png, the difference over the photo
  std::string significant;             ///< .png, only the cells that are called different
};

/// Writes arrays and pictures of a difference. `a` of the result `of_a` gives the caption and the part of the photo; on
/// grey where `photo` is null.
void write_comparison(const std::filesystem::path& folder, const ComparisonFiles& files, const MapComparison& maps,
                      const Explanation& a, const SavedResult& of_a, const Image* photo);

}  // namespace vitrail
