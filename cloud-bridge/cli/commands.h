// The command line of the bridge.
#pragma once

#include "cloud-bridge/cli/command.h"

namespace joulespool::bridge_cli {

// Parses, runs one command, reports its error on surroundings.err ("joulespool-bridge: ..." for each line) and returns the
// process's exit code (agent/base/exit_code.h).
int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
