// What a subcommand is, and what it gets to work with.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/exit_code.h"
#include "agent/base/option_cli.h"
#include "agent/base/result.h"

namespace joulespool::cli {

constexpr int json_version = 1;  // of every --json output; grows when a key changes its meaning or goes

// The process as a command sees it. Outlives every command.
struct Surroundings {
  std::map<std::string, std::string> environment;
  std::ostream& out;  // answers
  std::ostream& err;  // hints; errors are returned
  Clock& clock;
};

using Action = std::function<Result<ExitCode>()>;

struct Command {
  std::string_view group;  // "spool" of "spool list"; empty for none
  std::string_view name;
  std::string_view doc;
  // Adds the command's own flags to `app`; the action runs after they were parsed.
  Action (*add)(CLI::App& app, const Surroundings& surroundings);
};

Action add_run(CLI::App& app, const Surroundings& surroundings);
Action add_status(CLI::App& app, const Surroundings& surroundings);
Action add_spool_list(CLI::App& app, const Surroundings& surroundings);
Action add_spool_show(CLI::App& app, const Surroundings& surroundings);
Action add_spool_stat(CLI::App& app, const Surroundings& surroundings);
Action add_spool_verify(CLI::App& app, const Surroundings& surroundings);
Action add_spool_export(CLI::App& app, const Surroundings& surroundings);
Action add_config_show(CLI::App& app, const Surroundings& surroundings);
Action add_config_check(CLI::App& app, const Surroundings& surroundings);
Action add_config_reference(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::cli
