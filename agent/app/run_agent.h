// The agent's life: builds everything, runs until SIGTERM or SIGINT, takes it down in order.
#pragma once

#include "agent/config/settings.h"

namespace joulespool::app {

// Ok after an orderly stop. Errors: busy (another agent on this spool), unreachable, usage.
Status run_agent(const config::Settings& settings);

}  // namespace joulespool::app
