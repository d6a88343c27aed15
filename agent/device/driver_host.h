// The process that a driver runs in: a library that crashes or hangs takes it down, and nothing else.
#pragma once

#include <functional>
#include <memory>

#include "agent/base/clock.h"
#include "agent/device/joulescope_settings.h"
#include "agent/device/sample_source.h"

namespace joulespool::device {

using MakeDriverSource = std::function<std::unique_ptr<SampleSource>(Clock& clock, JoulescopeSettings settings)>;

// Name of the subcommand that calls run_driver_host(); a second argument is for people who look at a list of processes.
constexpr const char* driver_host_command = "driver-host";

// Runs the source until the agent that started this process says stop, or is no more, or SIGTERM comes. What it hands over goes
// to the agent (driver_order.h: the descriptors). Changes what the process does on SIGINT, SIGTERM, SIGPIPE and SIGALRM, and
// ends it by SIGALRM if the source does not stop in time. That the source did not start is told to the agent and no error
// here. Errors: usage (nobody has started this process that way), unreachable (the agent has gone).
Status run_driver_host(Clock& clock, const MakeDriverSource& make_source);

}  // namespace joulespool::device
