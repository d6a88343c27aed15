#include "cloud-bridge/cli/commands.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <ostream>
#include <sstream>

#include "agent/base/version.h"
#include "cloud-bridge/cli/check_command.h"
#include "cloud-bridge/cli/export_command.h"
#include "cloud-bridge/cli/reference_command.h"
#include "cloud-bridge/cli/run_command.h"
#include "cloud-bridge/cli/tail_command.h"

namespace joulespool::bridge_cli {
namespace {

constexpr Command commands[] = {
    {"run", "Carry frames from the MQTT broker to Kinesis until SIGTERM or SIGINT", add_run},
    {"tail", "Show what arrives in Kinesis: per device rate, lag, power, energy, gaps", add_tail},
    {"export", "Write windows or samples of a device as CSV", add_export},
    {"check", "Is a device complete in Kinesis? Names what is missing (exit code 1)", add_check},
    {"reference", "All settings as Markdown (docs/reference/bridge-configuration.md)", add_reference},
};

void add_commands(CLI::App& root, const Surroundings& surroundings, Action& chosen) {
  for (const Command& command : commands) {
    CLI::App& app = *root.add_subcommand(std::string(command.name), std::string(command.doc));
    app.callback([&chosen, action = command.add(app, surroundings)] { chosen = action; });
  }
}

int report(const Error& error, std::ostream& err) {
  std::istringstream lines(error.message);
  for (std::string line; std::getline(lines, line);) err << "joulespool-bridge: " << line << '\n';
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
  CLI::App root("Joulespool bridge: frames from MQTT to Kinesis, and back out of it", "joulespool-bridge");
  root.set_version_flag("--version", "joulespool-bridge " + std::string(version()));
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

}  // namespace joulespool::bridge_cli
