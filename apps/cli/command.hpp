// A command is one file in commands/: `commands/quantize.cpp` defines `const Command& command_quantize()`. It declares its
// options and returns what to do with them. CLI11 stays in options.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/sink.hpp"
#include "io/document/document.hpp"

namespace CLI {
class App;
}

namespace bitwright::cli {

/// The options of one command; targets must outlive parsing.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(app) {}
  /// The heading in --help of the options that follow.
  void section(const std::string& name);

  void positional(const std::string& name, std::string& target, const std::string& help, bool required = true);
  void positionals(const std::string& name, std::vector<std::string>& target, const std::string& help, bool required = true);
  /// names: "-o,--output".
  void option(const std::string& names, std::string& target, const std::string& help);
  void option(const std::string& names, int64_t& target, const std::string& help);
  /// From 0 on.
  void option(const std::string& names, double& target, const std::string& help);
  /// A whole number from 1 on.
  void count(const std::string& names, int64_t& target, const std::string& help);
  /// Comma-separated or repeated.
  void list(const std::string& names, std::vector<std::string>& target, const std::string& help);
  void flag(const std::string& names, bool& target, const std::string& help);
  void footer(const std::string& text);

 private:
  CLI::App& app_;
  std::string group_ = "Options";
};

/// What every command gets.
struct Context {
  bool json = false;
  int threads = 0;
  Sink* sink = nullptr;

  /// Standard output; the document with --json, else the text, in which control characters are escaped: names in files
  /// hold anything. (Where names stand within a line, one_line escapes their line breaks, too.)
  void print(const std::string& text) const;
  void heading(const std::string& text) const;
  void print(const Document& document) const;
};

using Action = std::function<void(const Context&)>;

struct Command {
  int order;  // in --help
  std::string about;
  Action (*declare)(Options&);
};

struct NamedCommand {
  std::string name;
  const Command* command;
};
std::vector<NamedCommand> commands();

/// Parses and runs; the exit status: 0, 1 for errors, 2 for usage.
int run(int argc, char** argv);

}  // namespace bitwright::cli
