#pragma once

#include "agent/base/command_line.h"

namespace joulespool::bridge_cli {

// joulespool-bridge run: until SIGTERM or SIGINT, then an orderly end and exit code 0.
Action add_run(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
