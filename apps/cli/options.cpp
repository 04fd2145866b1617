// The only file that sees CLI11.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "command.hpp"
#include "core/utf8.hpp"
#include "terminal.hpp"

namespace bitwright::cli {

void Options::section(const std::string& name) { group_ = name; }
void Options::positional(const std::string& name, std::string& target, const std::string& help, bool required) {
  app_.add_option(name, target, help)->required(required);
}
void Options::positionals(const std::string& name, std::vector<std::string>& target, const std::string& help,
                          bool required) {
  app_.add_option(name, target, help)->required(required);
}
void Options::option(const std::string& names, std::string& target, const std::string& help) {
  app_.add_option(names, target, help)->capture_default_str()->group(group_);
}
void Options::option(const std::string& names, int64_t& target, const std::string& help) {
  app_.add_option(names, target, help)->capture_default_str()->group(group_);
}
void Options::option(const std::string& names, double& target, const std::string& help) {
  const auto not_negative = [](const std::string& text) { return std::string(text[0] == '-' ? "must not be below 0" : ""); };
  app_.add_option(names, target, help)->capture_default_str()->check(not_negative)->group(group_);
}
void Options::count(const std::string& names, int64_t& target, const std::string& help) {
  app_.add_option(names, target, help)->capture_default_str()->check(CLI::Range(int64_t{1}, int64_t{1} << 40))->group(group_);
}
void Options::list(const std::string& names, std::vector<std::string>& target, const std::string& help) {
  app_.add_option(names, target, help)->delimiter(',')->group(group_);
}
void Options::flag(const std::string& names, bool& target, const std::string& help) {
  app_.add_flag(names, target, help)->group(group_);
}
void Options::footer(const std::string& text) { app_.footer(text); }

void Context::print(const std::string& text) const {
  std::string shown;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find('\n');
    shown += one_line(rest.substr(0, end), SIZE_MAX);
    if (end == rest.npos) break;
    shown += '\n';
    rest.remove_prefix(end + 1);
  }
  std::fputs(shown.c_str(), stdout);
}
void Context::heading(const std::string& text) const { std::fputs((bold(one_line(text)) + "\n").c_str(), stdout); }
void Context::print(const Document& document) const { std::fputs((to_json(document) + "\n").c_str(), stdout); }

std::vector<NamedCommand> commands() {
  std::vector<NamedCommand> all;
#define BW_ITEM(stem) \
  extern const Command& command_##stem(); \
  all.push_back({#stem, &command_##stem()});
#include "cli_commands.inc"
#undef BW_ITEM
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.command->order < b.command->order; });
  return all;
}

namespace {

constexpr size_t kColumns = 100, kLeft = 26;

/// Lines of at most kColumns with the help texts to the right of the names.
class Help : public CLI::Formatter {
 public:
  Help() {
    column_width(kLeft);
    label("SUBCOMMAND", "COMMAND");
    label("OPTIONS", "options");
  }
  std::string make_option_opts(const CLI::Option* o) const override {
    if (o->get_type_size() == 0 || o->get_expected_min() == 0 || o->get_positional()) return {};
    if (o->get_expected_max() == CLI::detail::expected_max_vector_size) return " A,B,...";
    return o->get_type_name().find("INT") == 0 ? " N" : o->get_type_name().find("FLOAT") == 0 ? " X" : " TEXT";
  }
  std::string make_group(std::string group, bool positional, std::vector<const CLI::Option*> options) const override {
    const std::string text = CLI::Formatter::make_group(group, positional, options);
    return positional || group == "Options" ? text : text.substr(1);  // one empty line between groups, not two
  }
  std::string make_option_desc(const CLI::Option* o) const override {
    const std::string& standard = o->get_default_str();
    return wrapped(o->get_description() + (standard.empty() || standard == "0" ? "" : " (default: " + standard + ")"));
  }
  std::string make_subcommand(const CLI::App* sub) const override {
    std::stringstream out;
    CLI::detail::format_help(out, sub->get_display_name(true), wrapped(sub->get_description()), column_width_);
    return out.str();
  }

 private:
  static std::string wrapped(const std::string& text) {
    std::string out;
    size_t used = 0;
    for (const std::string& word : split(text, ' ')) {
      if (used > 0 && used + 1 + word.size() > kColumns - kLeft) out += "\n", used = 0;
      out += (used > 0 ? " " : "") + word;
      used += (used > 0 ? 1 : 0) + word.size();
    }
    return out;
  }
};

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string unknown_argument(const CLI::App& app, const std::string& word, bool top) {
  std::vector<std::string> known = option_names(app);
  if (top)
    for (const NamedCommand& c : commands()) known.push_back(c.name);
  const std::string bare = word.substr(0, word.find('='));
  const std::string near = nearest(bare, known);
  const std::string what = word.rfind("-", 0) == 0 ? "unknown option '" : top ? "unknown command '" : "unexpected argument '";
  return what + bare + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?") + " (" +
         (top ? "bitwright --help" : "bitwright " + app.get_name() + " --help") + " lists them)";
}

int refuse(const std::string& message, int status) {
  clear_progress();
  std::fprintf(stderr, "bitwright: %s\n", one_line(message).c_str());
  return status;
}

int usage_error(const CLI::App& app, const CLI::ParseError& e, const std::vector<std::string>& words) {
  const CLI::App* sub = app.get_subcommands().empty() ? nullptr : app.get_subcommands().front();
  const CLI::App& where = sub ? *sub : app;
  std::string message = e.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&e)) {
    std::vector<std::string> extras = where.remaining();
    if (extras.empty()) extras = app.remaining();
    if (!extras.empty()) message = unknown_argument(where, extras.front(), !sub);
  } else if (!sub) {
    message = words.empty() ? "a command is missing (bitwright --help lists them)" : unknown_argument(app, words.front(), true);
  } else if (dynamic_cast<const CLI::RequiredError*>(&e)) {
    message += str(" (bitwright ", sub->get_name(), " --help)");
  }
  return refuse(message, 2);
}

int guarded(const std::function<void()>& action) {
  try {
    action();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    return refuse(str("standard output: cannot be written: ", std::strerror(errno)), 1);
  } catch (const Error& e) {
    return refuse(e.what(), e.code() == ErrorCode::usage ? 2 : 1);
  } catch (const std::bad_alloc&) {
    return refuse("not enough memory", 1);
  } catch (const std::exception& e) {
    return refuse(str("internal error: ", e.what(), "; please report it"), 1);
  }
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("Trained networks with small numbers: quantize, compare, run.", "bitwright");
  app.require_subcommand(1);
  app.formatter(std::make_shared<Help>());  // commands inherit it
  app.set_version_flag("--version", "bitwright 0.1.0");
  Context context;
  bool quiet = false;
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const NamedCommand& named : commands()) {
    CLI::App* sub = app.add_subcommand(named.name, named.command->about);
    Options options(*sub);
    actions.emplace_back(sub, named.command->declare(options));
    sub->group("Commands");
    const std::string everywhere = "Everywhere";
    sub->add_flag("--json", context.json, "print one JSON document instead of text")->group(everywhere);
    sub->add_option("--threads", context.threads, "threads; 0: one per core")->check(CLI::Range(0, 1024))->group(everywhere);
    sub->add_flag("-q,--quiet", quiet, "no progress and no notes")->group(everywhere);
  }
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "help") words.erase(words.begin()), words.push_back("--help");
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return usage_error(app, e, words);
  }
  TerminalSink sink(quiet);
  context.sink = &sink;
  for (const auto& [sub, action] : actions)
    if (sub->parsed()) {
      const Action& chosen = action;
      return guarded([&] { chosen(context); });
    }
  return 2;
}

}  // namespace bitwright::cli
