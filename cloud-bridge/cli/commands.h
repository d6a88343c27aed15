// The command line of the bridge.
#pragma once

#include "agent/base/command_line.h"

namespace joulespool::bridge_cli {

// joulespool::run_command_line() with the commands of the bridge.
int run_command_line(int argc, const char* const* argv, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
