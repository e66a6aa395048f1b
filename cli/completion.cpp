#include "completion.h"

#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>

#include "command.h"

namespace vitrail::cli {
namespace {

using Files = Completion::Files;

/// The command line as far as it is complete.
struct Typed {
  const CLI::App* command = nullptr;
  std::vector<std::string> positionals;
  std::map<std::string, std::string> values;  ///< of options, by their longest name
  const CLI::Option* open = nullptr;          ///< whose value comes next
};

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return command;
  return nullptr;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string name_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_name() : option.get_lnames()[0];
}

Typed read(const CLI::App& command, const std::vector<std::string>& words) {
  Typed typed;
  typed.command = &command;
  for (const std::string& word : words) {
    if (typed.open) {
      typed.values[name_of(*typed.open)] = word;
      typed.open = nullptr;
    } else if (word.starts_with("-") && word.size() > 1) {
      const size_t equals = word.find('=');
      const CLI::Option* option = command.get_option_no_throw(word.substr(0, equals));
      if (!option || !takes_value(*option)) continue;
      if (equals == std::string::npos)
        typed.open = option;
      else
        typed.values[name_of(*option)] = word.substr(equals + 1);
    } else {
      typed.positionals.push_back(word);
    }
  }
  return typed;
}

/// The model of the line: the argument MODEL, with the options that decide what it is.
std::optional<Model> model_of(const Typed& typed) {
  if (typed.positionals.empty()) return std::nullopt;
  ModelOptions options;
  const auto value = [&](const char* key) {
    const auto found = typed.values.find(key);
    return found == typed.values.end() ? std::string() : found->second;
  };
  options.preprocess = value("preprocess");
  options.output = value("output");
  try {
    return Model::load(typed.positionals[0], options);
  } catch (const std::exception&) {
    return std::nullopt;  // whoever completes a line does not ask for errors
  }
}

std::vector<std::string> layers_of(const Typed& typed) {
  std::vector<std::string> names;
  try {
    if (const auto model = model_of(typed)) {
      Target any;
      any.index = 0;
      for (const LayerInfo& layer : model->probe({any})->spatial_layers()) names.push_back(layer.name);
    }
  } catch (const std::exception&) {
    names.clear();
  }
  return names;
}

std::vector<Candidate> starting_with(const std::string& start, const std::vector<std::string>& words) {
  std::vector<Candidate> candidates;
  for (const std::string& word : words)
    if (word.starts_with(start)) candidates.push_back({word, ""});
  return candidates;
}

/// The words of CLI11's check on a set, "...{float32,bf16}".
std::vector<std::string> members(const std::string& type) {
  const size_t open = type.find('{'), close = type.rfind('}');
  std::vector<std::string> words;
  if (open == std::string::npos || close == std::string::npos || close < open) return words;
  std::string word;
  for (const char c : type.substr(open + 1, close - open - 1) + ",") {
    if (c == ',') {
      words.push_back(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

/// What stands for a value, by the type that --help shows.
void complete_value(const CLI::Option& option, const Typed& typed, const std::string& start, Completion& completion) {
  const std::string type = option.get_type_name();
  const auto is = [&](const char* name) { return type.starts_with(name); };
  if (is("METHODS")) {
    const bool names_layer = start.rfind("layer=") != std::string::npos;
    completion.candidates = complete_methods(start, names_layer ? layers_of(typed) : std::vector<std::string>{});
  } else if (is("TARGET")) {
    const auto model = model_of(typed);
    completion.candidates = complete_target(start, model ? model->labels() : std::vector<std::string>{});
  } else if (is("METHOD")) {
    for (const MethodInfo& info : methods())
      if (info.name.starts_with(start)) completion.candidates.push_back({info.name, info.summary});
  } else if (is("MODEL") || is("IMAGE") || is("RESULT") || is("MANIFEST") || type == "FILE") {
    completion.files = Files::files;
  } else if (is("DIR")) {
    completion.files = Files::folders;
  } else if (is("FILE|PRESET")) {
    completion.files = Files::files;
    completion.candidates = starting_with(start, {"imagenet", "half", "unit", "raw"});
  } else if (is("FILE|target")) {
    completion.files = Files::files;
    completion.candidates = starting_with(start, {"target"});
  } else if (is("auto|none|FILE")) {
    completion.files = Files::files;
    completion.candidates = starting_with(start, {"auto", "none"});
  } else if (is("FILE") || is("PATH")) {
    completion.files = Files::files;
  } else if (is("DEVICE")) {
    completion.candidates = starting_with(start, {"cpu", "cuda"});
  } else if (is("OUTPUT")) {
    try {
      if (typed.positionals.empty()) return;
      const Graph graph = Graph::load(typed.positionals[0]);
      for (const ValueInfo& value : graph.outputs())
        if (value.name.starts_with(start)) completion.candidates.push_back({value.name, value.type});
    } catch (const std::exception&) {
      completion.candidates.clear();
    }
  } else {
    completion.candidates = starting_with(start, members(type));
  }
}

void add_commands(const CLI::App& app, const std::string& start, Completion& completion) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name().starts_with(start))
      completion.candidates.push_back({command->get_name(), command->get_description()});
}

void complete_option(const CLI::App& command, const std::string& start, Completion& completion) {
  for (const CLI::Option* option : command.get_options([](const CLI::Option*) { return true; }))
    for (const std::string& name : option->get_lnames())
      if (("--" + name).starts_with(start)) completion.candidates.push_back({"--" + name, option->get_description()});
}

/// The place of the next word among the command's arguments; the last one may be repeated.
const CLI::Option* next_positional(const Typed& typed) {
  const auto positionals =
      typed.command->get_options([](const CLI::Option* option) { return option->get_positional(); });
  if (positionals.empty()) return nullptr;
  const size_t place = typed.positionals.size();
  if (place < positionals.size()) return positionals[place];
  return positionals.back()->get_items_expected_max() > 1 ? positionals.back() : nullptr;
}

struct CompletionArguments {
  std::string shell;
  std::vector<std::string> words;
};

ExitCode run(const CLI::App& app, const CompletionArguments& arguments) {
  if (arguments.shell == "bash") std::cout << kBashCompletion;
  if (arguments.shell == "zsh") std::cout << kZshCompletion;
  if (arguments.shell == "fish") std::cout << kFishCompletion;
  if (arguments.shell != "line" && arguments.shell != "words") return ExitCode::done;
  const Completion completion = complete(
      app, arguments.shell == "words" ? arguments.words
                                      : split_line(arguments.words.empty() ? std::string() : arguments.words[0]));
  constexpr const char* files[] = {"none", "files", "folders"};
  std::cout << files[static_cast<int>(completion.files)] << '\n' << completion.word << '\n';
  for (const Candidate& candidate : completion.candidates)
    std::cout << candidate.text << (candidate.description.empty() ? "" : "\t" + candidate.description) << '\n';
  return ExitCode::done;
}

}  // namespace

std::vector<std::string> split_line(const std::string& line) {
  std::vector<std::string> words(1);
  char quote = 0;
  bool inside = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      if (inside) words.emplace_back();
      inside = false;
      continue;
    }
    inside = true;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

Completion complete(const CLI::App& app, const std::vector<std::string>& words) {
  Completion completion;
  if (words.size() < 2) return completion;
  const std::string& word = completion.word = words.back();
  if (words.size() == 2) {
    add_commands(app, word, completion);
    if (word.starts_with("-")) complete_option(app, word, completion);
    return completion;
  }
  const CLI::App* command = find_command(app, words[1]);
  if (!command) return completion;
  size_t first = 2;  // word behind the command, which may be one of another: evaluate folds
  for (; first + 1 < words.size() && find_command(*command, words[first]); ++first)
    command = find_command(*command, words[first]);
  const Typed typed = read(*command, {words.begin() + static_cast<std::ptrdiff_t>(first), words.end() - 1});
  const size_t equals = word.find('=');
  if (typed.open) {
    complete_value(*typed.open, typed, word, completion);
  } else if (word.starts_with("--") && equals != std::string::npos) {
    const CLI::Option* option = command->get_option_no_throw(word.substr(0, equals));
    if (!option || !takes_value(*option)) return completion;
    complete_value(*option, typed, word.substr(equals + 1), completion);
    for (Candidate& candidate : completion.candidates) candidate.text = word.substr(0, equals + 1) + candidate.text;
  } else if (word.starts_with("-")) {
    complete_option(*command, word, completion);
  } else if (const CLI::Option* positional = next_positional(typed)) {
    complete_value(*positional, typed, word, completion);
    if (first + 1 == words.size()) add_commands(*command, word, completion);
  }
  return completion;
}

Command completion_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("completion", "prints a script that completes command lines in a shell");
  auto arguments = std::make_shared<CompletionArguments>();
  command->add_option("shell", arguments->shell, "bash, zsh or fish (the scripts ask with: line, words)")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "line", "words"}));
  command->add_option("words", arguments->words, "for the scripts: the command line up to the cursor")->group("");
  command->footer(
      "Example: vitrail completion bash > ~/.local/share/bash-completion/completions/vitrail\n"
      "Example: source <(vitrail completion zsh)\n"
      "Completes commands, options, methods, keys of their options, layers of the given model and names of its "
      "classes.");
  return {command, [&app, arguments] { return run(app, *arguments); }};
}

}  // namespace vitrail::cli
