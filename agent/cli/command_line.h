// The command line of the agent.
#pragma once

#include "agent/cli/command.h"

namespace joulespool::cli {

// Parses, runs one command, reports its error on surroundings.err ("joulespool: ..." for each line) and returns the
// process's exit code (agent/base/exit_code.h).
int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings);

}  // namespace joulespool::cli
