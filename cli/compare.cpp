#include <vitrail/compare.h>
#include <vitrail/report.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/display.h"
#include "base/json_values.h"
#include "command.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct CompareArguments {
  std::string a, b, out = "compare", correction = "fdr";
  CompareOptions options;
  bool json = false, quiet = false;
};

/// A result.json, or the folder that holds it.
SavedResult read(const std::string& path) {
  std::error_code error;
  return read_result(fs::is_directory(path, error) ? fs::path(path) / "result.json" : fs::path(path));
}

/// One run of `vitrail compare`.
class CompareCommand {
 public:
  explicit CompareCommand(CompareArguments arguments) : arguments_(std::move(arguments)) {}

  ExitCode run() {
    CompareOptions options = arguments_.options;
    options.correction = arguments_.correction == "bonferroni" ? Correction::bonferroni : Correction::fdr;
    a_ = read(arguments_.a);
    b_ = read(arguments_.b);
    const ResultComparison comparison = compare_results(a_, b_, options);
    check_output_folder(arguments_.out);
    photo_ = a_.photo();
    Json pairs = Json::array();
    for (const ComparedPair& pair : comparison.pairs) pairs.push_back(describe(pair, pairs.size() + 1));
    if (arguments_.json)
      print_json(comparison, pairs);
    else
      print(comparison, pairs);
    return ExitCode::done;
  }

 private:
  /// Writes the pictures and arrays of a pair and says what they are.
  Json describe(const ComparedPair& pair, size_t number) {
    const Explanation &x = a_.explanations[pair.a], &y = b_.explanations[pair.b];
    const MapComparison& maps = pair.maps;
    Json json = {{"a", {{"method", x.method}, {"target", x.target.slug()}}},
                 {"b", {{"method", y.method}, {"target", y.target.slug()}}},
                 {"target", x.target.title()},
                 {"cells", maps.cells},
                 {"rank_correlation", number_or_null(maps.rank_correlation)},
                 {"linear_correlation", number_or_null(maps.linear_correlation)},
                 {"top",
                  {{"cells", maps.top},
                   {"overlap", number_or_null(maps.top_overlap)},
                   {"by_chance", maps.cells > 0 ? Json(static_cast<double>(maps.top) / static_cast<double>(maps.cells))
                                                : Json(nullptr)}}},
                 {"difference", nullptr},
                 {"notes", maps.notes}};
    if (maps.difference.defined()) json["difference"] = write_difference(pair, number);
    return json;
  }

  Json write_difference(const ComparedPair& pair, size_t number) {
    const Explanation& x = a_.explanations[pair.a];
    const MapComparison& maps = pair.maps;
    const std::string stem = (number < 10 ? "0" : "") + std::to_string(number) + "-" + x.name + "-" + x.target.slug();
    const bool judged = maps.significant.defined();
    ComparisonFiles files;
    files.difference = stem + ".difference.npy";
    files.picture = stem + ".difference.png";
    if (judged) {
      files.half_width = stem + ".half-width.npy";
      files.significant = stem + ".significant.png";
    }
    write_comparison(arguments_.out, files, maps, x, a_, photo_ ? &*photo_ : nullptr);
    Json json = {{"unit", x.unit},
                 {"shape", maps.difference.sizes().vec()},
                 {"largest", number_or_null(maps.largest_difference())},
                 {"array", files.difference},
                 {"picture", files.picture},
                 {"half_width", judged ? Json(files.half_width) : Json(nullptr)},
                 {"significant_picture", judged ? Json(files.significant) : Json(nullptr)},
                 {"differing", judged ? Json(maps.differing) : Json(nullptr)}};
    return json;
  }

  void print_json(const ResultComparison& comparison, const Json& pairs) const {
    const auto list = [](const SavedResult& result, const std::vector<size_t>& places) {
      Json names = Json::array();
      for (const size_t i : places)
        names.push_back({{"method", result.explanations[i].method}, {"target", result.explanations[i].target.slug()}});
      return names;
    };
    std::cout << Json({{"format", "vitrail-comparison"},
                       {"version", 1},
                       {"a", arguments_.a},
                       {"b", arguments_.b},
                       {"folder", arguments_.out},
                       {"level", arguments_.options.level},
                       {"correction", arguments_.correction},
                       {"pairs", pairs},
                       {"only_a", list(a_, comparison.only_a)},
                       {"only_b", list(b_, comparison.only_b)},
                       {"notes", comparison.notes}})
                     .dump(1, ' ', false, Json::error_handler_t::replace)
              << '\n';
  }

  void print(const ResultComparison& comparison, const Json& json) const {
    std::vector<std::vector<std::string>> rows = {
        {"method", "target", "rank correlation", "same top", "differing cells", "largest difference", "picture"}};
    for (size_t i = 0; i < comparison.pairs.size(); ++i) {
      const ComparedPair& pair = comparison.pairs[i];
      const Explanation &x = a_.explanations[pair.a], &y = b_.explanations[pair.b];
      const MapComparison& maps = pair.maps;
      const bool has = maps.difference.defined();
      rows.push_back(
          {x.name == y.name ? x.name : x.name + ", " + y.name, x.target.title(), show_number(maps.rank_correlation),
           show_share(maps.top_overlap) + " of " + std::to_string(maps.top),
           maps.significant.defined() ? std::to_string(maps.differing) + " of " + std::to_string(maps.cells)
                                      : "no error known",
           has ? show_number(maps.largest_difference()) + " " + x.unit : "-",
           has ? (fs::path(arguments_.out) / json[i]["difference"]["picture"].get<std::string>()).string() : ""});
    }
    print_table(rows);
    std::cout << "differing: intervals that leave out 0, "
              << (arguments_.correction == "fdr" ? "at a false discovery rate of " : "after Bonferroni at the level ")
              << show_number(arguments_.options.level) << '\n';
    if (arguments_.quiet) return;
    for (const std::string& note : comparison.notes) print_note(note);
    for (const ComparedPair& pair : comparison.pairs)
      for (const std::string& note : pair.maps.notes)
        print_note(a_.explanations[pair.a].name + ", " + a_.explanations[pair.a].target.title() + ": " + note);
    print_single(comparison.only_a, a_, arguments_.a);
    print_single(comparison.only_b, b_, arguments_.b);
  }

  static void print_single(const std::vector<size_t>& places, const SavedResult& result, const std::string& where) {
    for (const size_t i : places)
      print_note("only in " + where + ": " + result.explanations[i].name + " of " +
                 result.explanations[i].target.title());
  }

  const CompareArguments arguments_;
  SavedResult a_, b_;
  std::optional<Image> photo_;
};

}  // namespace

Command compare_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("compare", "says how far two results agree, and which differences are real");
  auto arguments = std::make_shared<CompareArguments>();
  command->add_option("a", arguments->a, "a result.json, or the folder with it")->required()->type_name("RESULT");
  command->add_option("b", arguments->b, "another")->required()->type_name("RESULT");
  command->add_option("-o,--out", arguments->out, "folder of the difference maps (default: compare)")->type_name("DIR");
  command->add_option("--level", arguments->options.level, "share of errors among the differences (default: 0.05)")
      ->check(CLI::Range(1e-12, 0.5));
  command
      ->add_option("--correction", arguments->correction,
                   "for many cells: fdr (default), the share of cells called different by accident; bonferroni, the "
                   "probability of a single one")
      ->check(CLI::IsMember({"fdr", "bonferroni"}));
  command->add_option("--top", arguments->options.top, "share of cells that counts as the top (default: 0.1)")
      ->check(CLI::Range(1e-6, 0.999));
  command->add_flag("--across", arguments->options.across, "every method of one with every method of the other");
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->add_flag("--quiet", arguments->quiet, "only the table");
  command->footer(
      "Example: vitrail compare out/cat/result.json other/cat/result.json\n"
      "Example: vitrail compare out/cat out/cat --across --json");
  return {command, [arguments] { return CompareCommand(*arguments).run(); }};
}

}  // namespace vitrail::cli
