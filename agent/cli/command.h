// The commands of the agent, each in a file of its own.
#pragma once

#include "agent/base/command_line.h"

namespace joulespool::cli {

Action add_run(CLI::App& app, const Surroundings& surroundings);
Action add_status(CLI::App& app, const Surroundings& surroundings);
Action add_doctor(CLI::App& app, const Surroundings& surroundings);
Action add_device_list(CLI::App& app, const Surroundings& surroundings);
Action add_device_watch(CLI::App& app, const Surroundings& surroundings);
Action add_driver_host(CLI::App& app, const Surroundings& surroundings);
Action add_spool_list(CLI::App& app, const Surroundings& surroundings);
Action add_spool_show(CLI::App& app, const Surroundings& surroundings);
Action add_spool_stat(CLI::App& app, const Surroundings& surroundings);
Action add_spool_verify(CLI::App& app, const Surroundings& surroundings);
Action add_spool_repair(CLI::App& app, const Surroundings& surroundings);
Action add_spool_push(CLI::App& app, const Surroundings& surroundings);
Action add_spool_purge(CLI::App& app, const Surroundings& surroundings);
Action add_spool_export(CLI::App& app, const Surroundings& surroundings);
Action add_spool_plot(CLI::App& app, const Surroundings& surroundings);
Action add_config_show(CLI::App& app, const Surroundings& surroundings);
Action add_config_check(CLI::App& app, const Surroundings& surroundings);
Action add_config_reference(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::cli
