#include <vitrail/model.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "arguments.h"
#include "base/display.h"
#include "command.h"
#include "onnx/reader.h"
#include "terminal.h"

namespace vitrail::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectArguments {
  ModelArguments model;
  std::string stage;
  bool json = false;
};

/// An attribute for people: "[2,2]", "SAME_UPPER"; of a tensor or a subgraph only that it is one.
std::string show(const AttributeValue& value) {
  const auto list = [](const auto& numbers) {
    std::ostringstream text;
    for (size_t i = 0; i < numbers.size(); ++i) text << (i > 0 ? "," : "") << numbers[i];
    return "[" + text.str() + "]";
  };
  return std::visit(
      [&](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) return v;
        if constexpr (std::is_same_v<T, int64_t>) return std::to_string(v);
        if constexpr (std::is_same_v<T, double>) return show_number(v);
        if constexpr (std::is_same_v<T, Tensor>) return "tensor";
        if constexpr (std::is_same_v<T, Subgraph>) return "graph " + v.name;
        if constexpr (std::is_same_v<T, Ints> || std::is_same_v<T, Floats> || std::is_same_v<T, Strings>)
          return list(v);
      },
      value);
}

/// What a file says before anything is folded or rewritten: the stage `loaded`.
std::vector<NodeInfo> nodes_in_file(const std::string& path) {
  std::vector<NodeInfo> nodes;
  for (const NodeSpec& node : read_onnx(path).nodes) {
    std::string attributes;
    for (const auto& [name, value] : node.attributes.all())
      attributes += (attributes.empty() ? "" : " ") + name + "=" + show(value);
    nodes.push_back({node.op_type, node.name, attributes, node.inputs, node.outputs});
  }
  return nodes;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + (word.empty() ? "-" : word);
  return text;
}

Json to_json(const std::vector<NodeInfo>& nodes) {
  Json list = Json::array();
  for (const NodeInfo& node : nodes)
    list.push_back({{"op", node.op},
                    {"name", node.name},
                    {"attributes", node.attributes},
                    {"inputs", node.inputs},
                    {"outputs", node.outputs}});
  return list;
}

Json to_json(const std::vector<ValueInfo>& values) {
  Json list = Json::array();
  for (const ValueInfo& value : values)
    list.push_back({{"name", value.name}, {"type", value.type}, {"shape", to_string(value.shape)}});
  return list;
}

std::map<std::string, int64_t> count_operators(const Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const NodeInfo& node : graph.nodes()) ++counts[node.op];
  return counts;
}

/// A network as the commands see it. Where it cannot be explained (several inputs, no image), the graph and why.
struct Inspection {
  std::optional<Model> model;
  std::optional<Graph> graph;
  std::string obstacle;
  std::vector<LayerInfo> layers;  ///< that Grad-CAM can use, the proposed one first
};

Inspection inspect(const ModelArguments& arguments) {
  Inspection result;
  const ModelOptions options = arguments.check();
  try {
    result.model = arguments.load();
    result.graph = result.model->graph();
    Target any;
    any.index = 0;
    result.layers = result.model->probe({any})->spatial_layers();
  } catch (const Error& error) {
    if (error.exit_code() != ExitCode::model && error.exit_code() != ExitCode::usage) throw;
    if (!result.graph) result.graph = Graph::load(arguments.path, options.graph);
    result.obstacle = error.what();
  }
  return result;
}

Json to_json(const Inspection& inspection) {
  const Graph& graph = *inspection.graph;
  Json layers = Json::array();
  for (const LayerInfo& layer : inspection.layers)
    layers.push_back({{"name", layer.name},
                      {"value", layer.value},
                      {"shape", to_string(layer.shape)},
                      {"grid", {layer.height, layer.width}},
                      {"channels", layer.channels}});
  Json json = {{"format", "vitrail-inspection"},
               {"version", 1},
               {"path", graph.path()},
               {"sha256", graph.sha256()},
               {"inputs", to_json(graph.inputs())},
               {"outputs", to_json(graph.outputs())},
               {"batch", {{"generalises", graph.batch().generalises}, {"reason", graph.batch().reason}}},
               {"operators", count_operators(graph)},
               {"layers", layers},
               {"notes", graph.notes()},
               {"obstacle", inspection.obstacle.empty() ? Json(nullptr) : Json(inspection.obstacle)}};
  if (const auto& model = inspection.model) {
    json["preprocess"] = Json::parse(model->preprocess().to_json());
    json["preprocess_source"] = model->preprocess_source();
    json["labels"] = model->labels().size();
    json["logits"] = model->logits_value();
    json["output"] = {{"kind", to_string(model->output_kind())},
                      {"description", model->output_description()},
                      {"values", model->output_values()}};
    json["warnings"] = model->warnings();
  }
  return json;
}

void print_layers(const std::vector<LayerInfo>& layers) {
  constexpr size_t shown = 6;
  const auto grid = [](const LayerInfo& layer) {
    return std::to_string(layer.height) + " x " + std::to_string(layer.width) + " positions, " +
           std::to_string(layer.channels) + " channels";
  };
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < layers.size() && i < shown; ++i)
    rows.push_back({layers[i].name, to_string(layers[i].shape), grid(layers[i]), i == 0 ? "proposed" : ""});
  std::cout << "layers for gradcam" << (layers.empty() ? ": none keeps positions of the photo" : "") << '\n';
  print_table(rows, "  ");
  if (layers.size() > shown) std::cout << "  and " << layers.size() - shown << " more (--json lists all)\n";
}

void print_inspection(const Inspection& inspection) {
  const Graph& graph = *inspection.graph;
  std::cout << graph.path() << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const ValueInfo& value : graph.inputs())
    rows.push_back({"input", value.name + " " + value.type + " " + to_string(value.shape)});
  for (const ValueInfo& value : graph.outputs())
    rows.push_back({"output", value.name + " " + value.type + " " + to_string(value.shape)});
  rows.push_back({"batch", (graph.batch().generalises ? "any size" : "one sample at a time") +
                               (graph.batch().reason.empty() ? "" : ": " + graph.batch().reason)});
  if (const auto& model = inspection.model) {
    rows.push_back({"preprocessing", model->preprocess().to_json()});
    rows.push_back({"", "from " + model->preprocess_source()});
    rows.push_back({"labels", model->labels().empty() ? "none" : std::to_string(model->labels().size())});
    rows.push_back({"output is", model->output_description()});
    rows.push_back({is_row(model->output_kind()) ? "logits" : "from", joined(model->output_values())});
  }
  std::string operators;
  for (const auto& [op, count] : count_operators(graph))
    operators += (operators.empty() ? "" : ", ") + std::to_string(count) + " " + op;
  rows.push_back({"operators", operators});
  for (const std::string& note : graph.notes()) rows.push_back({"note", note});
  if (inspection.model)
    for (const std::string& warning : inspection.model->warnings()) rows.push_back({"warning", warning});
  if (!inspection.obstacle.empty()) rows.push_back({"cannot explain", inspection.obstacle});
  print_table(rows, "  ");
  print_layers(inspection.layers);
}

/// The steps of the plan that scoring would use, with what each costs.
ExitCode print_plan(const InspectArguments& arguments) {
  const Model model = arguments.model.load().with_plan();
  const Plan* plan = model.plan();
  if (!plan) throw ModelError(model.warnings().back());
  if (arguments.json) {
    Json nodes = Json::array();
    for (const PlanStep& step : plan->steps())
      nodes.push_back({{"op", step.op},
                       {"name", step.node},
                       {"attributes", step.details},
                       {"inputs", step.inputs},
                       {"outputs", {step.output}},
                       {"bytes", step.bytes},
                       {"seconds", step.seconds}});
    std::cout << Json({{"format", "vitrail-stage"},
                       {"version", 1},
                       {"stage", "plan"},
                       {"plan", plan->record()},
                       {"bytes_per_sample", plan->bytes_per_sample()},
                       {"bytes_of_weights", plan->bytes_of_weights()},
                       {"nodes", nodes}})
                     .dump(1, ' ', false, Json::error_handler_t::replace)
              << '\n';
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows;
  double seconds = 0;
  for (const PlanStep& step : plan->steps()) {
    seconds += step.seconds;
    rows.push_back({step.op, step.output + " <- " + joined(step.inputs), step.details, show_bytes(step.bytes),
                    show_number(1e6 * step.seconds) + " us"});
  }
  print_table(rows);
  std::cout << plan->steps().size() << " steps in " << plan->precision() << ", " << show_number(1000 * seconds)
            << " ms a sample in chunks of " << plan->chunk() << (plan->side_by_side() ? " side by side" : "") << ", "
            << show_bytes(plan->bytes_per_sample()) << " a sample and " << show_bytes(plan->bytes_of_weights())
            << " of weights; differs from the graph by " << show_number(plan->difference())
            << " of the largest value\n";
  return ExitCode::done;
}

ExitCode print_stage(const InspectArguments& arguments) {
  if (arguments.stage == "plan") return print_plan(arguments);
  const ModelOptions options = arguments.model.check();
  const std::vector<NodeInfo> nodes = arguments.stage == "loaded"
                                          ? nodes_in_file(arguments.model.path)
                                          : Graph::load(arguments.model.path, options.graph).nodes();
  if (arguments.json) {
    std::cout
        << Json({{"format", "vitrail-stage"}, {"version", 1}, {"stage", arguments.stage}, {"nodes", to_json(nodes)}})
               .dump(1, ' ', false, Json::error_handler_t::replace)
        << '\n';
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows;
  for (const NodeInfo& node : nodes)
    rows.push_back({node.op, joined(node.outputs) + " <- " + joined(node.inputs), node.attributes});
  print_table(rows);
  return ExitCode::done;
}

ExitCode run(const InspectArguments& arguments) {
  if (!arguments.stage.empty()) return print_stage(arguments);
  const Inspection inspection = inspect(arguments.model);
  if (arguments.json)
    std::cout << to_json(inspection).dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  else
    print_inspection(inspection);
  return ExitCode::done;
}

}  // namespace

Command inspect_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "says what a network is and how it will be used");
  auto arguments = std::make_shared<InspectArguments>();
  arguments->model.add_to(*command);
  command
      ->add_option("--stage", arguments->stage,
                   "lists the nodes: loaded (as the file says), canonical, or plan (as scores are computed here)")
      ->check(CLI::IsMember({"loaded", "canonical", "plan"}));
  command->add_flag("--json", arguments->json, "one JSON document on standard output");
  command->footer("Example: vitrail inspect model.onnx\nExample: vitrail inspect model.onnx --stage canonical");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace vitrail::cli
