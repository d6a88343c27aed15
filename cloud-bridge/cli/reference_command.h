#pragma once

#include "agent/base/command_line.h"

namespace joulespool::bridge_cli {

// joulespool-bridge reference: the page docs/reference/bridge-configuration.md.
Action add_reference(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
