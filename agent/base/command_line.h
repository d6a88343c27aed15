// A program with subcommands, given as a table: parsing, --help, --version, errors and exit codes are the same for all.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/exit_code.h"
#include "agent/base/result.h"

namespace CLI {
class App;
}

namespace joulespool {

constexpr int json_version = 1;  // of every --json output; grows when a key changes its meaning or goes

// The process as a command sees it. Outlives every command.
struct Surroundings {
  std::map<std::string, std::string> environment;
  std::ostream& out;  // answers
  std::ostream& err;  // hints; errors are returned
  Clock& clock;
};

// What a command does, after its flags were parsed.
using Action = std::function<Result<ExitCode>()>;

struct Command {
  std::string_view group;  // "spool" of "spool list"; empty for none
  std::string_view name;
  std::string_view doc;
  // Adds the command's own flags to `app`; what they are parsed into must be kept alive by the action (a shared_ptr).
  Action (*add)(CLI::App& app, const Surroundings& surroundings);
  bool is_hidden = false;  // not in --help: the program calls it by itself
};

struct CommandGroup {
  std::string_view name;
  std::string_view doc;
};

// Views of tables that outlive it. Every group of a command is in `groups`.
struct Program {
  std::string_view name;
  std::string_view doc;
  std::span<const Command> commands;
  std::span<const CommandGroup> groups = {};
};

// Parses, runs one command, reports its error on surroundings.err ("<name of the program>: ..." for each line) and returns the
// process's exit code. Exceptions of a command are internal errors.
int run_command_line(const Program& program, int argc, const char* const* argv, const Surroundings& surroundings);

// The variables of this process; not to be called while another thread sets one.
std::map<std::string, std::string> read_environment();

}  // namespace joulespool
