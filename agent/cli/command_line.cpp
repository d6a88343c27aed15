#include "agent/cli/command_line.h"

#include <CLI/CLI.hpp>

#include <exception>
#include <ostream>
#include <sstream>

#include "agent/base/version.h"

namespace joulespool::cli {
namespace {

constexpr Command commands[] = {
    {"", "run", "Capture, store and ship until SIGTERM or SIGINT", add_run},
    {"", "status", "What the running agent does, or what the spool holds if none runs", add_status},
    {"spool", "list", "Devices and lanes in the spool: sizes, times, what is not uploaded yet", add_spool_list},
    {"spool", "show", "Frames in the spool, or one frame in detail", add_spool_show},
    {"spool", "stat", "How full the spool is", add_spool_stat},
    {"spool", "verify", "Read and recompute every frame; exit code 1 if anything is wrong", add_spool_verify},
    {"spool", "export", "Windows or samples as CSV", add_spool_export},
    {"config", "show", "Every setting in force and where it came from", add_config_show},
    {"config", "check", "Is this file a valid configuration?", add_config_check},
    {"config", "reference", "All settings as Markdown (docs/reference/agent-configuration.md)", add_config_reference},
};

CLI::App& group_of(CLI::App& root, const Command& command) {
  if (command.group.empty()) return root;
  const std::string name(command.group);
  const auto known = root.get_subcommands([&](const CLI::App* app) { return app->get_name() == name; });
  if (!known.empty()) return *known.front();
  CLI::App& group =
      *root.add_subcommand(name, name == "spool" ? "Look into a spool; reads only, also beside a running agent" : "Settings");
  group.require_subcommand(1);
  return group;
}

void add_commands(CLI::App& root, const Surroundings& surroundings, Action& chosen) {
  for (const Command& command : commands) {
    CLI::App& app = *group_of(root, command).add_subcommand(std::string(command.name), std::string(command.doc));
    app.callback([&chosen, action = command.add(app, surroundings)] { chosen = action; });
  }
}

int report(const Error& error, std::ostream& err) {
  std::istringstream lines(error.message);
  for (std::string line; std::getline(lines, line);) err << "joulespool: " << line << '\n';
  return exit_code(error);
}

int run_action(const Action& action, const Surroundings& surroundings) {
  const auto result = action();
  if (!result) return report(result.error(), surroundings.err);
  surroundings.out.flush();
  if (!surroundings.out) return report({Errc::unreachable, "standard output: cannot be written"}, surroundings.err);
  return *result;
}

int parse_and_run(int argc, const char* const* argv, const Surroundings& surroundings) {
  CLI::App root("Joulespool agent: samples of energy analysers, stored and shipped without a loss", "joulespool");
  root.set_version_flag("--version", "joulespool " + std::string(version()));
  root.require_subcommand(1);
  Action chosen;
  add_commands(root, surroundings, chosen);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& answer) {  // --help, --version
    return root.exit(answer, surroundings.out, surroundings.err);
  } catch (const CLI::ParseError& failure) {
    return report({Errc::usage, std::string(failure.what()) + " (see --help)"}, surroundings.err);
  }
  return run_action(chosen, surroundings);
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings) {
  try {
    return parse_and_run(argc, argv, surroundings);
  } catch (const std::exception& failure) {
    return report({Errc::internal, std::string("internal error: ") + failure.what()}, surroundings.err);
  }
}

}  // namespace joulespool::cli
