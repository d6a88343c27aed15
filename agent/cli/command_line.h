// The command line of the agent.
#pragma once

#include "agent/base/command_line.h"

namespace joulespool::cli {

// joulespool::run_command_line() with the commands of the agent.
int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings);

}  // namespace joulespool::cli
