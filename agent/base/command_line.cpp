#include "agent/base/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cassert>
#include <exception>
#include <ostream>
#include <sstream>

#include "agent/base/version.h"

namespace joulespool {
namespace {

CLI::App& group_of(CLI::App& root, const Program& program, const Command& command) {
  if (command.group.empty()) return root;
  const std::string name(command.group);
  const auto known = root.get_subcommands([&](const CLI::App* app) { return app->get_name() == name; });
  if (!known.empty()) return *known.front();
  const auto group = std::find_if(program.groups.begin(), program.groups.end(),
                                  [&](const CommandGroup& one) { return one.name == command.group; });
  assert(group != program.groups.end());
  CLI::App& app = *root.add_subcommand(name, std::string(group->doc));
  app.require_subcommand(1);
  return app;
}

void add_commands(CLI::App& root, const Program& program, const Surroundings& surroundings, Action& chosen) {
  for (const Command& command : program.commands) {
    CLI::App& app = *group_of(root, program, command).add_subcommand(std::string(command.name), std::string(command.doc));
    if (command.is_hidden) app.group("");
    app.callback([&chosen, action = command.add(app, surroundings)] { chosen = action; });
  }
}

int report(const Program& program, const Error& error, std::ostream& err) {
  std::istringstream lines(error.message);
  for (std::string line; std::getline(lines, line);) err << program.name << ": " << line << '\n';
  return exit_code(error);
}

int run_action(const Program& program, const Action& action, const Surroundings& surroundings) {
  const auto result = action();
  if (!result) return report(program, result.error(), surroundings.err);
  surroundings.out.flush();
  if (!surroundings.out) return report(program, {Errc::unreachable, "standard output: cannot be written"}, surroundings.err);
  return *result;
}

int parse_and_run(const Program& program, int argc, const char* const* argv, const Surroundings& surroundings) {
  const std::string name(program.name);
  CLI::App root(std::string(program.doc), name);
  root.set_version_flag("--version", name + " " + std::string(version()));
  root.require_subcommand(1);
  Action chosen;
  add_commands(root, program, surroundings, chosen);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& answer) {  // --help, --version
    return root.exit(answer, surroundings.out, surroundings.err);
  } catch (const CLI::ParseError& failure) {
    return report(program, {Errc::usage, std::string(failure.what()) + " (see --help)"}, surroundings.err);
  }
  return run_action(program, chosen, surroundings);
}

}  // namespace

int run_command_line(const Program& program, int argc, const char* const* argv, const Surroundings& surroundings) {
  try {
    return parse_and_run(program, argc, argv, surroundings);
  } catch (const std::exception& failure) {
    return report(program, {Errc::internal, std::string("internal error: ") + failure.what()}, surroundings.err);
  }
}

std::map<std::string, std::string> read_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace joulespool
